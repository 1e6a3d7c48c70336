import { isUtf8 } from 'node:buffer';
import { writeFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { readLines } from '../../src/files/read-lines.ts';
import { TempFolder } from '../support/temp-folder.ts';

interface LineFacts {
  number: number;
  fileOffset: number;
  overlong: boolean;
  utf8: boolean | null;
  bytes: Buffer | null;
}

/** The lines of a file that `readLines` reports, and the bytes that it passes on. */
function cut(path: string, maxLineBytes: number): { lines: LineFacts[]; passed: Buffer } {
  const lines: LineFacts[] = [];
  const chunks: Buffer[] = [];
  readLines(
    path,
    maxLineBytes,
    (block, { number, start, end, fileOffset, utf8, overlong }) => {
      const bytes = overlong ? null : Buffer.from(block.subarray(start, end));
      lines.push({
        number,
        fileOffset: overlong ? -1 : fileOffset,
        overlong,
        utf8: overlong ? null : utf8,
        bytes,
      });
    },
    { onBytes: (bytes) => void chunks.push(Buffer.from(bytes)) },
  );
  return { lines, passed: Buffer.concat(chunks) };
}

/** The expected lines: the whole file split at every line feed. */
function split(bytes: Buffer, maxLineBytes: number): LineFacts[] {
  const lines: LineFacts[] = [];
  let start = 0;
  while (start < bytes.length) {
    const feed = bytes.indexOf(0x0a, start);
    const end = feed === -1 ? bytes.length : feed;
    const line = bytes.subarray(start, end);
    const overlong = line.length > maxLineBytes;
    lines.push({
      number: lines.length + 1,
      fileOffset: overlong ? -1 : start,
      overlong,
      utf8: overlong ? null : isUtf8(line),
      bytes: overlong ? null : line,
    });
    start = end + 1;
  }
  return lines;
}

function check(bytes: Buffer, maxLineBytes: number): void {
  using folder = new TempFolder();
  const path = folder.at('input');
  writeFileSync(path, bytes);
  const { lines, passed } = cut(path, maxLineBytes);
  expect(passed.equals(bytes)).toBe(true);
  const expected = split(bytes, maxLineBytes);
  const shape = (facts: LineFacts[]): unknown[] => facts.map((line) => ({ ...line, bytes: null }));
  expect(shape(lines)).toEqual(shape(expected));
  const wrong = lines.findIndex(({ bytes: line }, i) => line !== null && !line.equals(expected[i]!.bytes!));
  expect(wrong).toBe(-1);
}

const feedful = fc.array(fc.oneof(fc.constant([0x0a]), fc.array(fc.integer({ min: 0, max: 255 }))), {
  maxLength: 30,
});

test('lines equal a split at every line feed, for random bytes', () => {
  fc.assert(
    fc.property(feedful, fc.integer({ min: 1, max: 40 }), (parts, maxLineBytes) => {
      check(Buffer.from(parts.flat()), maxLineBytes);
    }),
    { numRuns: 400 },
  );
});

test('lines equal a split at every line feed, for random texts', () => {
  const text = fc.array(
    fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('\n', '\r\n', '\u2028', '\ufeff')),
  );
  fc.assert(
    fc.property(text, (parts) => check(Buffer.from(parts.join('')), 1_000)),
    { numRuns: 400 },
  );
});

const BLOCK = 2 << 20;

test('lines equal a split at every line feed, for sizes around the size of a block', () => {
  const near = fc.integer({ min: -3, max: 3 }).map((more) => BLOCK + more);
  const size = fc.oneof(
    near,
    near.map((bytes) => bytes * 2),
    fc.integer({ min: 0, max: 5 }),
    fc.integer({ min: 0, max: 3 * BLOCK }),
  );
  const limit = fc.constantFrom(1_000, BLOCK - 1, BLOCK, BLOCK + 1, BLOCK + 1_000, 2 * BLOCK, 100 * BLOCK);
  // Two bytes a letter: a line skipped in the middle of a letter must not affect the next lines.
  const letters = Buffer.from('é'.repeat(2 * BLOCK + 8));
  fc.assert(
    fc.property(fc.array(size, { minLength: 1, maxLength: 5 }), limit, fc.boolean(), (sizes, max, last) => {
      const lines = sizes.flatMap((bytes) => [letters.subarray(0, bytes), Buffer.from('\n')]);
      check(Buffer.concat(last ? lines : lines.slice(0, -1)), max);
    }),
    { numRuns: 40 },
  );
});
