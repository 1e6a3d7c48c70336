import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { assertReadable, expandPaths } from '../../../../src/input/table/expand-paths.ts';
import { TempFolder } from '../../../support/temp-folder.ts';

const folder = new TempFolder();
const names = [
  'b.csv',
  'a.csv',
  'B.csv',
  'sub/c.csv',
  'sub/deep/d.csv',
  '.hidden/e.csv',
  'x[1].csv',
  'x1.csv',
];

beforeAll(() => {
  mkdirSync(folder.at('sub', 'deep'), { recursive: true });
  mkdirSync(folder.at('.hidden'));
  for (const name of names) writeFileSync(folder.at(name), '');
  symlinkSync(folder.at('sub'), folder.at('link'));
});
afterAll(() => folder[Symbol.dispose]());

const expand = async (...paths: string[]): Promise<string[]> =>
  (await expandPaths(paths.map((path) => folder.at(path)))).map((path) => path.slice(folder.path.length + 1));

test('the files of a glob are sorted, in folders of any depth, without hidden ones and links to folders', async () => {
  expect(await expand('**/[a-d]*.csv')).toEqual(['a.csv', 'b.csv', 'sub/c.csv', 'sub/deep/d.csv']);
  expect(await expand('*.{csv,tsv}')).toEqual(['B.csv', 'a.csv', 'b.csv', 'x1.csv', 'x[1].csv']);
});

test('arguments keep their order, and a file is read once', async () => {
  expect(await expand('b.csv', '[ab].csv')).toEqual(['b.csv', 'a.csv']);
});

test('a file of several spellings is read once, by the first of them', async () => {
  const local = relative('.', folder.path);
  const spellings = [`${local}/a.csv`, `./${local}/a.csv`, folder.at('a.csv'), `./${local}/[a].csv`];
  expect(await expandPaths(spellings)).toEqual([spellings[0]]);
  expect(await expandPaths(spellings.toReversed())).toHaveLength(1);
});

test('a file whose name looks like a glob is that file', async () => {
  expect(await expand('x[1].csv')).toEqual(['x[1].csv']);
});

test('what does not exist is refused', async () => {
  await expect(expand('c.csv')).rejects.toThrow('/c.csv does not exist: check the path.');
  await expect(expand('c*.csv')).rejects.toThrow(
    '/c*.csv matches no file: check the pattern, and quote it from the shell.',
  );
});

test('a folder is refused', async () => {
  await expect(assertReadable(folder.at('sub'))).rejects.toThrow(
    "is a folder: name its files by a glob, e.g. 'folder/*.csv'.",
  );
});
