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
  let start = 0; // of the row, from the first byte of the block
  let isQuoted = false;
  for (;;) {
    const { bytesRead } = await file.read(block, 0, BLOCK_BYTES, null);
    if (bytesRead === 0) return false;
    for (let i = 0; i < bytesRead; i += 1) {
      const byte = block[i]!;
      if (byte > QUOTE) continue;
      if (byte === QUOTE) isQuoted = !isQuoted;
      else if ((byte === LINE_FEED || byte === CARRIAGE_RETURN) && !isQuoted) {
        if (i - start > LONG_BYTES) return true;
        start = i;
      }
    }
    start -= bytesRead;
    if (-start > LONG_BYTES) return true;
  }
}
