import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { temporaryName, WholeFileWriter } from '../../../src/store/whole-file.ts';
import { TempFolder } from '../../support/temp-folder.ts';

const MIB = 1 << 20;

test('writes bytes and text of any size in order', () => {
  using folder = new TempFolder();
  const file = new WholeFileWriter(folder.at('a', 'file'));
  const parts: Buffer[] = [];
  for (const size of [1, MIB - 1, 5, MIB, MIB + 1, 3, 400_000, 700_000, 2 * MIB]) {
    const bytes = Buffer.alloc(size, parts.length + 0x30);
    const ascii = 'x'.repeat(size);
    const text = 'é🎉'.repeat(Math.ceil(size / 4));
    file.write(bytes);
    file.write(bytes, 1, size);
    file.writeAscii(ascii);
    file.writeText(text);
    parts.push(bytes, bytes.subarray(1), Buffer.from(ascii), Buffer.from(text));
  }
  const expected = Buffer.concat(parts);
  expect(file.bytes).toBe(expected.length);
  expect(readdirSync(folder.at('a'))).not.toContain('file');
  file.finish();
  expect(readFileSync(folder.at('a', 'file')).equals(expected)).toBe(true);
  expect(readdirSync(folder.at('a'))).toEqual(['file']);
});

test('writes whole numbers in digits, across its buffer too', () => {
  using folder = new TempFolder();
  const file = new WholeFileWriter(folder.at('file'));
  const numbers = [0, 1, 9, 10, 99, 100, 12_345_678, 999_999_999_999_999, Number.MAX_SAFE_INTEGER];
  const fill = Buffer.alloc(MIB - 20, 0x20);
  file.write(fill);
  for (const number of numbers) {
    file.writeNumber(number);
    file.writeAscii(' ');
  }
  file.finish();
  expect(readFileSync(folder.at('file'), 'utf8').trim()).toBe(numbers.join(' '));
});

test('an abandoned file leaves nothing', () => {
  using folder = new TempFolder();
  const file = new WholeFileWriter(folder.at('file'));
  file.writeText('something');
  file.abandon();
  expect(readdirSync(folder.path)).toEqual([]);
});

test('a file that could not be finished can be abandoned, and harms none that is written later', () => {
  using folder = new TempFolder();
  mkdirSync(folder.at('taken', 'by a folder'), { recursive: true });
  const failed = new WholeFileWriter(folder.at('taken'));
  failed.writeText('lost');
  expect(() => failed.finish()).toThrow();
  const first = new WholeFileWriter(folder.at('first'));
  failed.abandon();
  failed.abandon();
  const second = new WholeFileWriter(folder.at('second'));
  first.writeText('first');
  second.writeText('second');
  first.finish();
  first.abandon();
  second.finish();
  expect(readFileSync(folder.at('first'), 'utf8')).toBe('first');
  expect(readFileSync(folder.at('second'), 'utf8')).toBe('second');
  expect(readdirSync(folder.path).toSorted()).toEqual(['first', 'second', 'taken']);
});

test('no two temporary names are alike', () => {
  const names = Array.from({ length: 100 }, () => temporaryName('/x/file'));
  expect(new Set(names).size).toBe(100);
  expect(names.every((name) => /^\/x\/file\..+\.tmp$/.test(name))).toBe(true);
});
