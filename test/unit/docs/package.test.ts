/** What `package.json` guarantees to users of the package. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import semver from 'semver';
import { expect, test } from 'vitest';
import { snippetsOf } from '../../support/snippets.ts';
import { TempFolder } from '../../support/temp-folder.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const readJson = (path: string): unknown => JSON.parse(readFileSync(join(root, path), 'utf8'));
const { engines } = readJson('package.json') as { engines: { node: string } };

test('all dependencies run on the oldest Node that the package supports', () => {
  const { packages } = readJson('package-lock.json') as {
    packages: Record<string, { engines?: { node?: string }; dev?: boolean }>;
  };
  const oldest = semver.minVersion(engines.node)!;
  const excluding = Object.entries(packages)
    .filter(([, { dev }]) => dev !== true)
    .filter(([, { engines: asked }]) => asked?.node !== undefined && !semver.satisfies(oldest, asked.node))
    .map(([path]) => path);
  expect(excluding).toEqual([]);
});

test('the code of the README runs without a compiler on the Node that it requires', () => {
  using folder = new TempFolder();
  for (const [i, { code }] of snippetsOf('README.md').entries()) {
    const path = folder.at(`snippet-${i + 1}.mjs`);
    writeFileSync(path, code);
    execFileSync(process.execPath, ['--check', path], { stdio: 'pipe' });
  }
});

test('links of the packed pages lead to packed files and existing headings', () => {
  const packed = packedFiles();
  const pages = packed.filter((path) => path.endsWith('.md'));
  expect(pages).toContain('README.md');
  const broken = pages.flatMap((page) =>
    linksOf(page)
      .filter((link) => !leadsSomewhere(packed, page, link))
      .map((link) => `${page}: ${link}`),
  );
  expect(broken).toEqual([]);
}, 120_000); // npm takes seconds, many on a busy machine

/** The files that `npm pack` would include. */
function packedFiles(): string[] {
  const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [{ files }] = Object.values(JSON.parse(output) as object) as [{ files: { path: string }[] }];
  return files.map(({ path }) => path);
}

function linksOf(page: string): string[] {
  const text = readFileSync(join(root, page), 'utf8').replaceAll(/```[^]*?```/g, '');
  const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!);
  return links.filter((link) => !/^[a-z]+:/.test(link));
}

function leadsSomewhere(packed: readonly string[], page: string, link: string): boolean {
  const [path = '', heading] = link.split('#');
  const target = path === '' ? page : join(dirname(page), path);
  if (!packed.some((file) => file === target || file.startsWith(`${target.replace(/\/$/, '')}/`)))
    return false;
  // The generator of the reference makes anchors of its own.
  if (heading === undefined || !target.endsWith('.md') || target.startsWith('docs/api/')) return true;
  return headingsOf(target).includes(heading);
}

/** Anchors of a page, as GitHub generates them. */
function headingsOf(page: string): string[] {
  const text = readFileSync(join(root, page), 'utf8');
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
