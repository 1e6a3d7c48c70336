import { closeSync, openSync, readSync } from 'node:fs';

/** Memory per open file. */
const BLOCK_BYTES = 256 << 10;

/** A file of rows, read a block at a time: neighbouring rows are mostly read one after another. */
export class EarlierRows {
  private readonly descriptor: number;
  private readonly block = Buffer.allocUnsafe(BLOCK_BYTES);
  private start = 0;
  private filled = 0;

  constructor(path: string) {
    this.descriptor = openSync(path, 'r');
  }

  /** Bytes from an offset, as many as the block contains; none after the file's end. */
  at(offset: number, length: number): Uint8Array {
    const held = this.start + this.filled - offset;
    if (offset < this.start || held < Math.min(length, BLOCK_BYTES)) {
      this.start = offset;
      this.filled = readSync(this.descriptor, this.block, 0, BLOCK_BYTES, offset);
    }
    const from = offset - this.start;
    return this.block.subarray(from, Math.min(this.filled, from + length));
  }

  close(): void {
    closeSync(this.descriptor);
  }
}
