/** Rows and the lines they name, told from bytes that need not be JSON. */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** Skips what may stand before a row: white space, a byte order mark, and the signs of a JSON array around rows. */
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
 * The line that a row names which is no JSON, and where it ends: quotes and brackets are followed, nothing is checked.
 * Only a `custom_id` of the row itself counts: a body may hold one, too.
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
        line = lineBehind(block, close, end);
      at = close - 1;
    }
  }
  return { line, end };
}

/** The line named behind the key `custom_id`. */
function lineBehind(block: Buffer, at: number, end: number): number | null {
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

/** The number that we wrote as a `custom_id`, quoted or not. */
export function lineInBytes(block: Buffer, start: number, end: number): number | null {
  if (block[start] === QUOTE) {
    start += 1;
    end -= 1;
  }
  return block[start] === 0x30 ? null : numberIn(block, start, end);
}

/** A plain whole number in the block; null for anything else. */
export function numberIn(block: Buffer, start: number, end: number): number | null {
  let value = 0;
  for (let at = start; at < end; at += 1) {
    const digit = block[at]! - 0x30;
    if (digit < 0 || digit > 9) return null;
    value = value * 10 + digit;
  }
  return end > start && end - start <= 15 ? value : null;
}
