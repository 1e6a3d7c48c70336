import { randomUUID } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** A second buffer of this size is what a file being written costs in memory. */
const BUFFER_BYTES = 1 << 20;

/**
 * A file that appears under its name only when whole: written under a temporary name, synced, renamed.
 * Synchronous, for use in pool threads only.
 */
export class WholeFileWriter {
  readonly path: string;
  bytes = 0;
  private readonly temporary: string;
  private readonly descriptor: number;
  private readonly buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  private used = 0;

  constructor(path: string) {
    this.path = path;
    this.temporary = temporaryName(path);
    mkdirSync(dirname(path), { recursive: true });
    this.descriptor = openSync(this.temporary, 'wx');
  }

  /** Appends `block[start..end)`. */
  write(block: Uint8Array, start = 0, end: number = block.length): void {
    const length = end - start;
    this.bytes += length;
    if (length > BUFFER_BYTES - this.used) this.flush();
    if (length > BUFFER_BYTES) {
      writeAll(this.descriptor, block, start, end);
      return;
    }
    this.buffer.set(start === 0 && end === block.length ? block : block.subarray(start, end), this.used);
    this.used += length;
  }

  /** Appends text that is known to be ASCII. */
  writeAscii(text: string): void {
    if (text.length > BUFFER_BYTES - this.used) this.flush();
    if (text.length > BUFFER_BYTES) {
      this.write(Buffer.from(text, 'latin1'));
      return;
    }
    this.used += this.buffer.write(text, this.used, 'latin1');
    this.bytes += text.length;
  }

  /** Appends any text as UTF-8. */
  writeText(text: string): void {
    if (text.length * 3 > BUFFER_BYTES - this.used) this.flush();
    if (text.length * 3 > BUFFER_BYTES) {
      this.write(Buffer.from(text, 'utf8'));
      return;
    }
    const length = this.buffer.write(text, this.used, 'utf8');
    this.used += length;
    this.bytes += length;
  }

  /** Makes the file appear under its name. */
  finish(): void {
    this.flush();
    fsyncSync(this.descriptor);
    closeSync(this.descriptor);
    renameSync(this.temporary, this.path);
  }

  /** Leaves nothing behind. */
  abandon(): void {
    closeSync(this.descriptor);
    rmSync(this.temporary, { force: true });
  }

  private flush(): void {
    writeAll(this.descriptor, this.buffer, 0, this.used);
    this.used = 0;
  }
}

/** The name under which a file is written until it is whole; nobody else picks the same. */
export function temporaryName(path: string): string {
  return `${path}.${process.pid}-${randomUUID().slice(0, 8)}.tmp`;
}

function writeAll(descriptor: number, block: Uint8Array, start: number, end: number): void {
  while (start < end) start += writeSync(descriptor, block, start, end - start);
}
