import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readLines } from '../../../src/files/read-lines.ts';
import { TempFolder } from '../../support/temp-folder.ts';

function linesOf(bytes: string | Uint8Array, maxLineBytes = 1_000): string[] {
  using folder = new TempFolder();
  writeFileSync(folder.at('file'), bytes);
  const lines: string[] = [];
  readLines(folder.at('file'), maxLineBytes, (block, { number, start, end, fileOffset, utf8, overlong }) => {
    const text = overlong ? 'overlong' : utf8 ? block.toString('utf8', start, end) : 'not UTF-8';
    lines.push(`${number}@${overlong ? '?' : fileOffset}:${text}`);
  });
  return lines;
}

test.each<[title: string, bytes: string, lines: string[]]>([
  ['an empty file has no lines', '', []],
  ['a line feed alone is one empty line', '\n', ['1@0:']],
  ['the last line needs no line feed', 'a\nbc', ['1@0:a', '2@2:bc']],
  ['a line feed at the end begins no line', 'a\nbc\n', ['1@0:a', '2@2:bc']],
  ['a carriage return belongs to its line', 'a\r\nb\rc\n', ['1@0:a\r', '2@3:b\rc']],
  ['U+2028 and U+2029 end no line', 'a\u2028b\u2029c\nd', ['1@0:a\u2028b\u2029c', '2@10:d']],
])('%s', (_, bytes, lines) => {
  expect(linesOf(bytes)).toEqual(lines);
});

test('flags the line that is not UTF-8', () => {
  expect(linesOf(Buffer.from('ok\n\xff\xfe\né\n', 'latin1').subarray(0, 6))).toEqual([
    '1@0:ok',
    '2@3:not UTF-8',
  ]);
  expect(linesOf(Buffer.concat([Buffer.from('é\n'), Buffer.of(0xc3), Buffer.from('\né')]))).toEqual([
    '1@0:é',
    '2@3:not UTF-8',
    '3@5:é',
  ]);
});

test('an overlong line longer than many blocks is flagged once, and the next line is right', () => {
  const long = Buffer.alloc(7 << 20, 'x');
  const offset = long.length + 3;
  expect(linesOf(Buffer.concat([Buffer.from('a\n'), long, Buffer.from('\nafter\n')]))).toEqual([
    '1@0:a',
    '2@?:overlong',
    `3@${offset}:after`,
  ]);
  expect(linesOf(long)).toEqual(['1@?:overlong']);
});

test('a missing file is an error', () => {
  using folder = new TempFolder();
  expect(() => readLines(folder.at('none'), 10, () => undefined)).toThrow('ENOENT');
});
