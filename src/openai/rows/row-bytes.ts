/** Finds rows and their line numbers in bytes that need not be JSON. */

/** The position of a value; its end is 0 if there is none. */
export type Span = [start: number, end: number];

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** Skips the bytes that may precede a row: white space, a byte order mark, and the punctuation of a JSON array around rows. */
export function skipFrame(block: Buffer, at: number, end: number): number {
  for (; at < end; at += 1) {
    const byte = block[at]!;
    if (byte === OPEN_BRACE) return at;
    if (byte === 0xef && block[at + 1] === 0xbb && block[at + 2] === 0xbf) at += 2;
    else if (byte > 0x20 && byte !== COMMA && byte !== OPEN_BRACKET && byte !== CLOSE_BRACKET) return at;
  }
  return at;
}

/**
 * Returns the line number of a row that is not JSON, and the end of the row: it matches quotes and brackets, and checks nothing
 * else. Only a `custom_id` at the top level of the row counts: a body may contain one, too.
 */
export function findBrokenRow(block: Buffer, at: number, end: number): { line: number | null; end: number } {
  let line: number | null = null;
  let depth = 0;
  for (; at < end; at += 1) {
    const byte = block[at]!;
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth += 1;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth -= 1;
      if (depth <= 0) return { line, end: at + 1 };
    } else if (byte === QUOTE) {
      const close = stringEnd(block, at, end);
      if (depth === 1 && line === null && block.toString('latin1', at, close) === '"custom_id"')
        line = lineAfter(block, close, end);
      at = close - 1;
    }
  }
  return { line, end };
}

/** Returns the line number after the key `custom_id`. */
function lineAfter(block: Buffer, at: number, end: number): number | null {
  while (at < end && (block[at] === 0x20 || block[at] === 0x3a)) at += 1;
  let close = at;
  if (block[at] === QUOTE) close = stringEnd(block, at, end);
  else while (close < end && block[close]! >= 0x30 && block[close]! <= 0x39) close += 1;
  return lineInBytes(block, at, close);
}

function stringEnd(block: Buffer, at: number, end: number): number {
  for (at += 1; at < end; at += 1) {
    if (block[at] === QUOTE) return at + 1;
    if (block[at] === BACKSLASH) at += 1;
  }
  return end;
}

/** Returns the line number in a `custom_id` of ours, quoted or not; else null. */
export function lineInBytes(block: Buffer, start: number, end: number): number | null {
  if (block[start] === QUOTE) {
    start += 1;
    end -= 1;
  }
  return block[start] === 0x30 ? null : numberIn(block, start, end);
}

/** Returns the plain integer in the block; null for any other value. */
export function numberIn(block: Buffer, start: number, end: number): number | null {
  let value = 0;
  for (let at = start; at < end; at += 1) {
    const digit = block[at]! - 0x30;
    if (digit < 0 || digit > 9) return null;
    value = value * 10 + digit;
  }
  return end > start && end - start <= 15 ? value : null;
}
