import { readdirSync } from 'node:fs';
import { ByteCounter } from '../../src/file-work/byte-counter.ts';

/** The number of open files of this process. */
export function openFiles(): number {
  return readdirSync('/proc/self/fd').length;
}

/** Counts the open files whenever bytes are counted, in the middle of synchronous work. */
export class OpenFileWatch extends ByteCounter {
  most = 0;

  override add(bytes: number): void {
    super.add(bytes);
    this.most = Math.max(this.most, openFiles());
  }
}
