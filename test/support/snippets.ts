import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A TypeScript snippet of a page. */
export interface Snippet {
  readonly code: string;
  /** False for a snippet marked `no-run`, which needs other snippets. */
  readonly isProgram: boolean;
}

/** The TypeScript of a page, in its order. */
export function snippetsOf(page: string): Snippet[] {
  const text = readFileSync(join(root, page), 'utf8');
  return [...text.matchAll(/```ts( no-run)?\n([^]*?)```/g)].map(([, mark, code]) => ({
    code: code!,
    isProgram: mark === undefined,
  }));
}

/** What a reader runs on a page, in its order: lines for the shell, and TypeScript. */
export function stepsOf(page: string): { readonly language: 'sh' | 'ts'; readonly code: string }[] {
  const text = readFileSync(join(root, page), 'utf8');
  return [...text.matchAll(/```(sh|ts)\n([^]*?)```/g)].map(([, language, code]) => ({
    language: language as 'sh' | 'ts',
    code: code!,
  }));
}

/** Writes snippets into an empty folder from which they can import this package and its dependencies; returns their paths. */
export function writeSnippets(folder: string, snippets: readonly Snippet[]): string[] {
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  for (const name of ['zod', '@temporalio', '@types']) link(folder, name, join(root, 'node_modules', name));
  link(folder, 'durable-batch', root);
  return snippets.map(({ code }, i) => {
    const path = join(folder, `snippet-${i + 1}.ts`);
    writeFileSync(path, code);
    return path;
  });
}

/** The compiler's errors for the snippets in a folder, with the project's options and sources. */
export function typeErrorsIn(folder: string): string {
  const { compilerOptions } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8')) as {
    compilerOptions: object;
  };
  const tsconfig = {
    compilerOptions: {
      ...compilerOptions,
      paths: {
        'durable-batch': [join(root, 'src', 'index.ts')],
        'durable-batch/*': [join(root, 'src', '*', 'index.ts')],
      },
      // Nothing is emitted, so the snippets' imports are not rewritten.
      rewriteRelativeImportExtensions: false,
      allowImportingTsExtensions: true,
    },
    include: ['*.ts'],
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(tsconfig));
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  try {
    return execFileSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' });
  } catch (error) {
    return (error as { stdout?: string }).stdout ?? String(error);
  }
}

function link(folder: string, name: string, target: string): void {
  const path = join(folder, 'node_modules', name);
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(target, path);
}
