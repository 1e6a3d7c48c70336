import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import { temporaryName, AtomicFileWriter } from '../../../src/files/atomic-file-writer.ts';
import { openFiles } from '../../support/open-files.ts';
import { TempFolder } from '../../support/temp-folder.ts';

const MIB = 1 << 20;

test('writes bytes and text of any size in order', () => {
  using folder = new TempFolder();
  const file = new AtomicFileWriter(folder.at('a', 'file'));
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

test('writes integers as digits, also across its buffer', () => {
  using folder = new TempFolder();
  const file = new AtomicFileWriter(folder.at('file'));
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

test('hundreds of files can be written at the same time, whatever the limit of open files', () => {
  using folder = new TempFolder();
  const before = openFiles();
  const files = Array.from({ length: 300 }, (_, i) => new AtomicFileWriter(folder.at(`${i}`)));
  const parts = ['one', 'x'.repeat(20_000), 'é'.repeat(9_000), '1234567', 'y'.repeat(16_380), 'end'];
  for (const part of parts)
    for (const file of files) {
      if (part === '1234567') file.writeNumber(1_234_567);
      else if (part.startsWith('y')) file.writeAscii(part);
      else if (part.startsWith('x')) file.write(Buffer.from(part));
      else file.writeText(part);
    }
  expect(openFiles() - before).toBeLessThan(100);
  expect(readdirSync(folder.path).every((name) => name.endsWith('.tmp'))).toBe(true);
  files.pop()!.abandon();
  for (const file of files) file.finish();
  expect(readdirSync(folder.path)).toHaveLength(299);
  for (const name of ['0', '298']) expect(readFileSync(folder.at(name), 'utf8')).toBe(parts.join(''));
  expect(files[298]!.bytes).toBe(Buffer.byteLength(parts.join('')));
});

test('a file that is deleted while it is written is not recreated without its beginning', () => {
  using folder = new TempFolder();
  const files = Array.from({ length: 70 }, (_, i) => new AtomicFileWriter(folder.at(`${i}`)));
  for (const name of readdirSync(folder.path)) rmSync(folder.at(name));
  files.at(-1)!.writeText('the end');
  expect(() => files.at(-1)!.finish()).toThrow('ENOENT');
  for (const file of files) file.abandon();
});

test('an abandoned file leaves nothing', () => {
  using folder = new TempFolder();
  const file = new AtomicFileWriter(folder.at('file'));
  file.writeText('something');
  file.abandon();
  expect(readdirSync(folder.path)).toEqual([]);
});

test('a file that could not be finished can be abandoned, without effect on later files', () => {
  using folder = new TempFolder();
  mkdirSync(folder.at('taken', 'by a folder'), { recursive: true });
  const failed = new AtomicFileWriter(folder.at('taken'));
  failed.writeText('lost');
  expect(() => failed.finish()).toThrow();
  const first = new AtomicFileWriter(folder.at('first'));
  failed.abandon();
  failed.abandon();
  const second = new AtomicFileWriter(folder.at('second'));
  first.writeText('first');
  second.writeText('second');
  first.finish();
  first.abandon();
  second.finish();
  expect(readFileSync(folder.at('first'), 'utf8')).toBe('first');
  expect(readFileSync(folder.at('second'), 'utf8')).toBe('second');
  expect(readdirSync(folder.path).toSorted()).toEqual(['first', 'second', 'taken']);
});

test('temporary names are unique', () => {
  const names = Array.from({ length: 100 }, () => temporaryName('/x/file'));
  expect(new Set(names).size).toBe(100);
  expect(names.every((name) => /^\/x\/file\..+\.tmp$/.test(name))).toBe(true);
});
