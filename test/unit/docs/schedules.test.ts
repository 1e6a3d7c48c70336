/** The commands, options and code of docs/schedules.md match the sources. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { addCommands } from '../../../src/cli/commands.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const page = readFileSync(join(root, 'docs/schedules.md'), 'utf8');

const program = new Command();
await addCommands(program, 'schedule');
const { commands } = program.commands[0]!;
const optionsOf = (name: string): string[] =>
  commands.find((command) => command.name() === name)!.options.map(({ long }) => long!);
/** Options with their arguments: `--only-new` has one in `start`, and none here. */
const flagsOf = (command: Command): string[] => command.options.map(({ flags }) => flags);

test('every command is in the table', () => {
  const named = [...page.matchAll(/^\|.*$/gm)].flatMap(([row]) =>
    [...row.split(' | ')[0]!.matchAll(/`schedule ([a-z]+)/g)].map(([, name]) => name!),
  );
  expect(named.toSorted()).toEqual(commands.map((command) => command.name()).toSorted());
});

test('every option of create is in the table, or is one of start', async () => {
  const start = new Command();
  await addCommands(start, 'start');
  const ofStart = start.commands[0]!.options.map(({ long }) => long!);
  const create = commands.find((command) => command.name() === 'create')!;
  const flagsOfStart = flagsOf(start.commands[0]!);
  const own = create.options.flatMap(({ flags, long }) => (flagsOfStart.includes(flags) ? [] : [long!]));
  const named = [...page.matchAll(/^\| `--.*$/gm)].flatMap(([row]) =>
    [...row.split(' | ')[0]!.matchAll(/--[a-z-]+/g)].map(([option]) => option),
  );
  expect(named.toSorted()).toEqual(own.toSorted());
  const missing = ofStart.filter((option) => !optionsOf('create').includes(option));
  expect(missing.toSorted()).toEqual(['--dry-run', '--fresh', '--job', '--json', '--retry-failed']);
});

test('the code type-checks against the sources', () => {
  const [, code] = /```ts\n([^]*?)```/.exec(page)!;
  const folder = mkdtempSync(join(tmpdir(), 'durable-batch-schedules-'));
  try {
    writeFileSync(join(folder, 'snippet.ts'), code!);
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    const { compilerOptions } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8')) as {
      compilerOptions: object;
    };
    const tsconfig = {
      compilerOptions: {
        ...compilerOptions,
        typeRoots: [join(root, 'node_modules', '@types')],
        paths: { 'durable-batch': [join(root, 'src', 'index.ts')] },
        rewriteRelativeImportExtensions: false,
        allowImportingTsExtensions: true,
        noEmit: true,
        noUnusedLocals: false,
      },
      include: [join(folder, 'snippet.ts')],
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(tsconfig));
    execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', folder], { encoding: 'utf8' });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);
