import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { mergeRows, type MergedRows } from '../../../../src/file-work/rows/merge-rows.ts';
import { openFiles, OpenFileWatch } from '../../../support/open-files.ts';
import { TempFolder } from '../../../support/temp-folder.ts';

function merge(folder: TempFolder, files: readonly string[]): MergedRows {
  const keys = files.map((_, i) => `rows-${i}`);
  for (const [i, text] of files.entries()) writeFileSync(folder.at(keys[i]!), text);
  return mergeRows(folder.path, { files: [...keys, 'never-written'], target: 'results' });
}

const row = (line: number): string => `{"line":${line},"id":"é"}\n`;

test('merges overlapping files into one in the order of lines', () => {
  using folder = new TempFolder();
  expect(merge(folder, [row(2) + row(9) + row(10), row(1) + row(11), '', row(3)])).toEqual({
    rows: 6,
    failed: [],
  });
  expect(readFileSync(folder.at('results'), 'utf8')).toBe([1, 2, 3, 9, 10, 11].map(row).join(''));
});

test('hundreds of files that overlap are merged, whatever the limit of open files', () => {
  using folder = new TempFolder();
  const long = (line: number): string =>
    `{"line":${line},"id":"${'x'.repeat(line % 7 === 0 ? 20_000 : 10)}"}\n`;
  const files = Array.from({ length: 300 }, (_, i) => `rows-${i}`);
  files.forEach((key, i) => writeFileSync(folder.at(key), [i + 1, i + 301, i + 601].map(long).join('')));
  const counter = new OpenFileWatch();
  expect(mergeRows(folder.path, { files, target: 'results', counter }).rows).toBe(900);
  expect(readFileSync(folder.at('results'), 'utf8')).toBe(
    Array.from({ length: 900 }, (_, i) => long(i + 1)).join(''),
  );
  expect(counter.most - openFiles()).toBeLessThan(100);
});

test('merging no files writes an empty file', () => {
  using folder = new TempFolder();
  expect(merge(folder, []).rows).toBe(0);
  expect(readFileSync(folder.at('results'), 'utf8')).toBe('');
});

test('names the first failed lines by the last of their rows, with codes that contain no text', () => {
  using folder = new TempFolder();
  const failed = (line: number, code: string): string =>
    `{"line":${line},"id":"a \\"b${line},\\"","status":"failed","attempts":1,"batch_id":null,"response":null,"error":{"code":"${code}","message":"Said \u2028"},"usage":null}\n`;
  const answered = (line: number): string =>
    `{"line":${line},"id":",\\"status\\":\\"failed\\"","status":"answered","attempts":1,"usage":null}\n`;
  const files = [
    failed(2, 'gone') + answered(4) + failed(6, 'http_500') + failed(9, 'late'),
    answered(1) + failed(3, 'bad prompt') + failed(8, 'x'),
    answered(2) + failed(6, 'http_400'),
  ].map((text, i) => {
    writeFileSync(folder.at(`${i}`), text);
    return `${i}`;
  });
  const first = (examples: number): unknown =>
    mergeRows(folder.path, { files, target: 'results', replacing: 1, examples }).failed;
  expect(first(3)).toEqual([
    { line: 3, code: 'other' },
    { line: 6, code: 'http_400' },
    { line: 8, code: 'x' },
  ]);
  expect(first(9)).toHaveLength(4);
  expect(first(0)).toEqual([]);
});

test.each([
  ['in two files', [row(1) + row(2), row(2) + row(3)]],
  ['first in two files', [row(2), row(2)]],
  ['in one file', [row(1) + row(1)]],
  ['out of order', [row(2) + row(1)]],
])('a repeated or unordered line (%s) is an error, and nothing is written', (_, files) => {
  using folder = new TempFolder();
  expect(() => merge(folder, files)).toThrow(/has two rows or is out of order/);
  expect(readdirSync(folder.path).filter((name) => name.startsWith('results'))).toEqual([]);
});
