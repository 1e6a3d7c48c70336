import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { mergeRows } from '../../../../src/file-work/rows/merge-rows.ts';
import { openFiles, OpenFileWatch } from '../../../support/open-files.ts';
import { TempFolder } from '../../../support/temp-folder.ts';

function merge(folder: TempFolder, files: readonly string[]): number {
  const keys = files.map((_, i) => `rows-${i}`);
  for (const [i, text] of files.entries()) writeFileSync(folder.at(keys[i]!), text);
  return mergeRows(folder.path, { files: [...keys, 'never-written'], target: 'results' });
}

const row = (line: number): string => `{"line":${line},"id":"é"}\n`;

test('merges overlapping files into one in the order of lines', () => {
  using folder = new TempFolder();
  expect(merge(folder, [row(2) + row(9) + row(10), row(1) + row(11), '', row(3)])).toBe(6);
  expect(readFileSync(folder.at('results'), 'utf8')).toBe([1, 2, 3, 9, 10, 11].map(row).join(''));
});

test('hundreds of files that overlap are merged, whatever the limit of open files', () => {
  using folder = new TempFolder();
  const long = (line: number): string =>
    `{"line":${line},"id":"${'x'.repeat(line % 7 === 0 ? 20_000 : 10)}"}\n`;
  const files = Array.from({ length: 300 }, (_, i) => `rows-${i}`);
  files.forEach((key, i) => writeFileSync(folder.at(key), [i + 1, i + 301, i + 601].map(long).join('')));
  const counter = new OpenFileWatch();
  expect(mergeRows(folder.path, { files, target: 'results', counter })).toBe(900);
  expect(readFileSync(folder.at('results'), 'utf8')).toBe(
    Array.from({ length: 900 }, (_, i) => long(i + 1)).join(''),
  );
  expect(counter.most - openFiles()).toBeLessThan(100);
});

test('of nothing makes an empty file', () => {
  using folder = new TempFolder();
  expect(merge(folder, [])).toBe(0);
  expect(readFileSync(folder.at('results'), 'utf8')).toBe('');
});

test.each([
  ['in two files', [row(1) + row(2), row(2) + row(3)]],
  ['first in two files', [row(2), row(2)]],
  ['in one file', [row(1) + row(1)]],
  ['out of order', [row(2) + row(1)]],
])('a line that stands twice or out of order (%s) is an error, and nothing is written', (_, files) => {
  using folder = new TempFolder();
  expect(() => merge(folder, files)).toThrow(/has two rows or stands out of order/);
  expect(readdirSync(folder.path).filter((name) => name.startsWith('results'))).toEqual([]);
});
