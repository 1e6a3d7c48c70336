import { randomUUID } from 'node:crypto';
import { closeSync, constants, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** Memory per file that is being written. */
const BUFFER_BYTES = 1 << 20;

/** Files that a thread writes with large buffers and open descriptors at a time; an input may have more models. */
const MAX_LARGE = 64;

/** Buffer of each further file. It is opened only to flush the buffer, so it does not count towards the limit of open files. */
const SMALL_BUFFER_BYTES = 16 << 10;

/** Files of this thread that are being written with large buffers. */
let largeFiles = 0;

/** Buffers of closed files, reused for the next ones of this thread: left to the garbage collector, tens of MB of them pile up. */
const spareBuffers: Buffer[] = [];
const MAX_SPARE = 4;

/** Up to this length, copying byte by byte beats a call into the engine (20 bytes: 20 ns beside 65 ns). */
const SHORT_BYTES = 24;

/** Digits of 2^53. */
const MAX_DIGITS = 16;

/**
 * Writes a file atomically: under a temporary name, which is synced and renamed at the end.
 * Synchronous, for pool threads only.
 */
export class AtomicFileWriter {
  readonly path: string;
  bytes = 0;
  private readonly temporary: string;
  /** Null when the file is opened for each flush. */
  private readonly descriptor: number | null;
  private readonly buffer: Buffer;
  private used = 0;
  private closed = false;

  constructor(path: string) {
    this.path = path;
    this.temporary = temporaryName(path);
    mkdirSync(dirname(path), { recursive: true });
    const descriptor = openSync(this.temporary, 'wx');
    if (largeFiles < MAX_LARGE) {
      largeFiles += 1;
      this.descriptor = descriptor;
      this.buffer = spareBuffers.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
    } else {
      closeSync(descriptor);
      this.descriptor = null;
      this.buffer = Buffer.allocUnsafeSlow(SMALL_BUFFER_BYTES);
    }
  }

  /** Appends `block[start..end)`. */
  write(block: Uint8Array, start = 0, end: number = block.length): void {
    const length = end - start;
    this.bytes += length;
    if (length > this.buffer.length - this.used) this.flush();
    if (length > this.buffer.length) {
      this.append(block, start, end);
      return;
    }
    const { buffer, used } = this;
    if (length <= SHORT_BYTES) for (let i = 0; i < length; i += 1) buffer[used + i] = block[start + i]!;
    // A plain view is cheaper to make than a Buffer's `subarray`.
    else buffer.set(new Uint8Array(block.buffer, block.byteOffset + start, length), used);
    this.used = used + length;
  }

  /** Appends a whole number from 0 to 2^53 - 1 in digits. */
  writeNumber(value: number): void {
    if (this.buffer.length - this.used < MAX_DIGITS) this.flush();
    let digits = 1;
    for (let power = 10; power <= value; power *= 10) digits += 1;
    for (let at = this.used + digits - 1; at >= this.used; at -= 1) {
      const rest = Math.floor(value / 10);
      this.buffer[at] = 0x30 + (value - rest * 10);
      value = rest;
    }
    this.used += digits;
    this.bytes += digits;
  }

  /** Appends text that is known to be ASCII. */
  writeAscii(text: string): void {
    if (text.length > this.buffer.length - this.used) this.flush();
    if (text.length > this.buffer.length) {
      this.write(Buffer.from(text, 'latin1'));
      return;
    }
    this.used += this.buffer.write(text, this.used, 'latin1');
    this.bytes += text.length;
  }

  /** Appends any text as UTF-8. */
  writeText(text: string): void {
    if (text.length * 3 > this.buffer.length - this.used) this.flush();
    if (text.length * 3 > this.buffer.length) {
      this.write(Buffer.from(text, 'utf8'));
      return;
    }
    const length = this.buffer.write(text, this.used, 'utf8');
    this.used += length;
    this.bytes += length;
  }

  /** Syncs the file and renames it to its path. */
  finish(): void {
    this.flush();
    this.withFile(fsyncSync); // syncs the whole file, whichever descriptor wrote it
    this.close();
    renameSync(this.temporary, this.path);
  }

  /** Deletes the temporary file; does nothing after `finish`. */
  abandon(): void {
    this.close();
    rmSync(this.temporary, { force: true });
  }

  /** Only once: after a second close, the descriptor and the buffer may belong to another file. */
  private close(): void {
    if (this.closed) return;
    this.closed = true;
    if (this.descriptor === null) return;
    closeSync(this.descriptor);
    largeFiles -= 1;
    if (spareBuffers.length < MAX_SPARE) spareBuffers.push(this.buffer);
  }

  private flush(): void {
    if (this.used > 0) this.append(this.buffer, 0, this.used);
    this.used = 0;
  }

  private append(block: Uint8Array, start: number, end: number): void {
    this.withFile((descriptor) => writeAll(descriptor, block, start, end));
  }

  private withFile(use: (descriptor: number) => void): void {
    // Without O_CREAT: a new file would lack what was written before.
    const descriptor = this.descriptor ?? openSync(this.temporary, constants.O_WRONLY | constants.O_APPEND);
    try {
      use(descriptor);
    } finally {
      if (descriptor !== this.descriptor) closeSync(descriptor);
    }
  }
}

/** A unique name under which a file is written until it is complete. */
export function temporaryName(path: string): string {
  return `${path}.${process.pid}-${randomUUID().slice(0, 8)}.tmp`;
}

function writeAll(descriptor: number, block: Uint8Array, start: number, end: number): void {
  while (start < end) start += writeSync(descriptor, block, start, end - start);
}
