import type { InputRow } from '../../input/input-reader.ts';

/** The bytes of a row without a byte order mark, the `\r` of Windows line ends, and blanks around it. */
export function trimRow(block: Buffer, row: Readonly<InputRow>): { start: number; end: number } {
  let { start, end } = row;
  if (row.number === 1 && startsWithMark(block, start, end)) start += 3;
  while (end > start && isBlank(block[end - 1]!)) end -= 1;
  while (start < end && isBlank(block[start]!)) start += 1;
  return { start, end };
}

/** True for lines that begin with the byte order mark of UTF-8. */
export function startsWithMark(block: Buffer, start: number, end: number): boolean {
  return block[start] === 0xef && end - start >= 3 && block[start + 1] === 0xbb && block[start + 2] === 0xbf;
}

export function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x0d || byte === 0x09;
}
