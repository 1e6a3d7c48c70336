import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';

const BLOCK_BYTES = 1 << 20;
const LINE_FEED = 0x0a;

/** The rows of a file that was written whole: each ends with a line feed. */
export interface RowsRead {
  readonly sha256: string;
  readonly bytes: number;
  readonly rows: number;
}

/** Callbacks of a read. Rows are numbered from 1. */
export interface RowsReading {
  readonly maxRowBytes: number;
  /** Called for each row in order; its bytes are `block[start..end)` during the call. */
  readonly onRow: (block: Buffer, start: number, end: number, number: number) => void;
  /** Called for the first row that is longer; throws. */
  readonly onOverlong: (number: number) => never;
}

/**
 * Reads, hashes and syncs a file of rows. Unlike the reading of an input in a thread of a worker, it runs in the process of the user and
 * lets others run between blocks.
 */
export async function readRows(
  path: string,
  { maxRowBytes, onRow, onOverlong }: RowsReading,
): Promise<RowsRead> {
  const hash = createHash('sha256');
  const file = await open(path, 'r+'); // some systems sync only what they may write
  try {
    let block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
    let held = 0; // bytes of an unfinished row at the front of the block
    let bytes = 0;
    let rows = 0;
    for (;;) {
      if (held > maxRowBytes) onOverlong(rows + 1);
      if (held === block.length) block = Buffer.concat([block], block.length * 2);
      const { bytesRead } = await file.read(block, held, block.length - held, null);
      if (bytesRead === 0) break;
      const read = block.subarray(0, held + bytesRead);
      hash.update(read.subarray(held));
      bytes += bytesRead;
      let start = 0;
      for (let end = read.indexOf(LINE_FEED, held); end !== -1; end = read.indexOf(LINE_FEED, start)) {
        rows += 1;
        if (end - start > maxRowBytes) onOverlong(rows);
        onRow(block, start, end, rows);
        start = end + 1;
      }
      block.copyWithin(0, start, read.length);
      held = read.length - start;
    }
    await file.sync();
    return { sha256: hash.digest('hex'), bytes, rows };
  } finally {
    await file.close();
  }
}
