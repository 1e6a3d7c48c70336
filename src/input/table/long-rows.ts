import { open } from 'node:fs/promises';

/** Half of what DuckDB takes for the longest line. */
const LONG_BYTES = 1_000_000;

const BLOCK_BYTES = 1 << 20;
const QUOTE = 0x22;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** True when a CSV file may have a row of more than a megabyte: one without an end of line outside quotes. */
export async function mayHaveLongRows(path: string): Promise<boolean> {
  await using file = await open(path, 'r');
  const block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  const view = new DataView(block.buffer);
  let start = 0; // of the row, from the first byte of the block
  let quotes = 0; // its marks are odd inside quotes
  for (;;) {
    const { bytesRead } = await file.read(block, 0, BLOCK_BYTES, null);
    if (bytesRead === 0) return false;
    for (let i = 0; i < bytesRead;) {
      if (i + 4 <= bytesRead) {
        // Four bytes at a time take a third of the time; most have no end of line.
        const word = view.getInt32(i, true);
        if (!mayHaveControl(word)) {
          quotes ^= quotesOf(word);
          i += 4;
          continue;
        }
      }
      const byte = block[i]!;
      if (byte === QUOTE) quotes ^= MARK;
      else if ((byte === LINE_FEED || byte === CARRIAGE_RETURN) && !isOdd(quotes)) {
        if (i - start > LONG_BYTES) return true;
        start = i;
      }
      i += 1;
    }
    start -= bytesRead;
    if (-start > LONG_BYTES) return true;
  }
}

/** The mark of one quote: the highest bit of a byte. */
const MARK = 0x80;

/** False if none of the four bytes is below 0x20. */
function mayHaveControl(word: number): boolean {
  return ((word - 0x20202020) & ~word & 0x80808080) !== 0;
}

/** A mark for each of the four bytes that is a quote. */
function quotesOf(word: number): number {
  const others = word ^ 0x22222222;
  return ~(((others & 0x7f7f7f7f) + 0x7f7f7f7f) | others) & 0x80808080;
}

/** True for an odd number of marks. */
function isOdd(marks: number): boolean {
  return ((marks ^ (marks >>> 8) ^ (marks >>> 16) ^ (marks >>> 24)) & MARK) !== 0;
}
