import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { temporaryName } from '../../files/atomic-file-writer.ts';

/**
 * Bodies of answers that are not strict JSON in a raw file: wrapped in a string, or repaired. They are kept in a temporary file
 * until the rows are written, so that a batch of such bodies needs no more memory than others.
 */
export class BodySpillFile implements Disposable {
  private readonly path: string;
  private readonly positions = new Set<number>();
  private file: number | null = null;
  private bytes = 0;

  /** @param target the file next to which the bodies are kept */
  constructor(target: string) {
    this.path = temporaryName(target);
  }

  /** Appends the body of the line at a position; returns its offset in the file. */
  add(position: number, body: Uint8Array, start: number, end: number): number {
    if (this.file === null) {
      mkdirSync(dirname(this.path), { recursive: true });
      this.file = openSync(this.path, 'wx+');
    }
    const offset = this.bytes;
    while (start < end) {
      const written = writeSync(this.file, body, start, end - start, this.bytes);
      start += written;
      this.bytes += written;
    }
    this.positions.add(position);
    return offset;
  }

  /** Forgets the body of the line at a position, whose answer is in a raw file now. */
  forget(position: number): void {
    this.positions.delete(position);
  }

  /** The file with the body of the line at a position; null when the body is in a raw file. */
  sourceOf(position: number): number | null {
    return this.positions.has(position) ? this.file : null;
  }

  [Symbol.dispose](): void {
    if (this.file === null) return;
    closeSync(this.file);
    rmSync(this.path, { force: true });
    this.file = null;
  }
}
