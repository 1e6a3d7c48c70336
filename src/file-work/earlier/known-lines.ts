import { closeSync, openSync, readSync, rmSync } from 'node:fs';

/** A record of a known line: line, offset (8 bytes each), length, source, shard and padding (4 bytes each). */
export const KNOWN_BYTES = 32;

/** A line of the input that has an answer from an earlier job. */
export interface KnownLine {
  line: number;
  /** Index in the list of earlier jobs, from 0. */
  source: number;
  /** See `unpackShard`. */
  shard: number;
  offset: number;
  length: number;
}

const RECORDS_AT_A_TIME = 1 << 12;

/** Records of known lines, read in the lines' order. */
export class KnownLines {
  private readonly path: string;
  private descriptor: number | null;
  private readonly block = Buffer.allocUnsafe(RECORDS_AT_A_TIME * KNOWN_BYTES);
  private filled = 0;
  private next = 0;
  private offset = 0;

  constructor(path: string) {
    this.path = path;
    this.descriptor = openSync(path, 'r');
  }

  /** The record of a line; null when it has none. */
  at(line: number): KnownLine | null {
    if (this.next === this.filled && !this.read()) return null;
    if (this.block.readDoubleLE(this.next) !== line) return null;
    const known = toKnownLine(this.block, this.next);
    this.next += KNOWN_BYTES;
    return known;
  }

  close(): void {
    if (this.descriptor === null) return;
    closeSync(this.descriptor);
    this.descriptor = null;
    rmSync(this.path, { force: true });
  }

  private read(): boolean {
    if (this.descriptor === null) return false;
    // A local file returns whole blocks; another file system may return part of a record.
    this.filled = this.next = 0;
    while (this.filled < this.block.length) {
      const read = readSync(
        this.descriptor,
        this.block,
        this.filled,
        this.block.length - this.filled,
        this.offset,
      );
      if (read === 0) break;
      this.filled += read;
      this.offset += read;
    }
    return this.filled > 0;
  }
}

function toKnownLine(block: Buffer, at: number): KnownLine {
  return {
    line: block.readDoubleLE(at),
    offset: block.readDoubleLE(at + 8),
    length: block.readUInt32LE(at + 16),
    source: block.readUInt32LE(at + 20),
    shard: block.readUInt32LE(at + 24),
  };
}
