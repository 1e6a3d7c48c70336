import { closeSync, openSync, readSync } from 'node:fs';
import { JsonScanner } from '../../core/json-scan.ts';

/** Memory per open file. The lines of retry shards overlap, so a few files are open at a time. */
const BLOCK_BYTES = 256 << 10;
/** Memory per file when many are read at a time; such a file is opened for each block, so it does not count towards the limit of open files. */
const SMALL_BLOCK_BYTES = 16 << 10;
const LINE_FEED = 0x0a;
/** Every row starts with these bytes; the line's number follows. */
const HEAD_BYTES = '{"line":'.length;
const BEFORE_ID_BYTES = ',"id":'.length;

/** The first byte of the status of failed rows, and its place in the part after the id. */
const FIRST_OF_FAILED = 0x66;
const BEFORE_STATUS_BYTES = ',"status":"'.length;

/** A file of rows with a current row: `block[start..end)`, line feed included. */
export class RowFile {
  block: Buffer;
  start = 0;
  end = 0;
  line = 0;
  done = false;
  private readonly path: string;
  /** Null when the file is opened for each block. */
  private readonly descriptor: number | null;
  private readonly scanner = new JsonScanner(new Uint8Array(0));
  private filled = 0;
  /** Offset of the block's first byte in the file. */
  private blockOffset = 0;

  constructor(path: string, small: boolean = false) {
    this.path = path;
    this.block = Buffer.allocUnsafe(small ? SMALL_BLOCK_BYTES : BLOCK_BYTES);
    this.descriptor = small ? null : openSync(path, 'r');
    this.next();
  }

  /** Offset of the current row in the file. */
  get offset(): number {
    return this.blockOffset + this.start;
  }

  next(): void {
    this.start = this.end;
    let feed = this.find(this.start);
    while (feed === -1) {
      this.block.copyWithin(0, this.start, this.filled);
      this.filled -= this.start;
      this.blockOffset += this.start;
      const searched = this.filled;
      this.start = 0;
      if (this.filled === this.block.length) {
        const larger = Buffer.allocUnsafe(this.block.length * 2);
        this.block.copy(larger, 0, 0, this.filled);
        this.block = larger;
      }
      const read = this.read();
      if (read === 0) {
        this.done = true;
        return;
      }
      this.filled += read;
      feed = this.find(searched);
    }
    this.end = feed + 1;
    let line = 0;
    for (let i = this.start + HEAD_BYTES; this.block[i] !== 0x2c; i += 1)
      line = line * 10 + (this.block[i]! - 0x30);
    this.line = line;
  }

  /** Start of the part of the current row after its id: `,"status":…`. */
  tailStart(): number {
    this.scanner.block = this.block;
    let at = this.start + HEAD_BYTES;
    while (this.block[at] !== 0x2c) at += 1;
    return this.scanner.scanValue(at + BEFORE_ID_BYTES, this.end);
  }

  /** True when the part of the current row after its id begins with these bytes. */
  tailIs(bytes: Uint8Array, tail: number = this.tailStart()): boolean {
    return this.block.compare(bytes, 0, bytes.length, tail, tail + bytes.length) === 0;
  }

  /** True when the current row's line failed. */
  get isFailed(): boolean {
    return this.block[this.tailStart() + BEFORE_STATUS_BYTES] === FIRST_OF_FAILED;
  }

  close(): void {
    if (this.descriptor !== null) closeSync(this.descriptor);
  }

  /** Reads the next bytes of the file into the block. */
  private read(): number {
    const { block, filled, blockOffset } = this;
    const descriptor = this.descriptor ?? openSync(this.path, 'r');
    try {
      return readSync(descriptor, block, filled, block.length - filled, blockOffset + filled);
    } finally {
      if (descriptor !== this.descriptor) closeSync(descriptor);
    }
  }

  private find(from: number): number {
    const feed = this.block.indexOf(LINE_FEED, from);
    return feed < this.filled ? feed : -1;
  }
}
