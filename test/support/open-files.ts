import { readdirSync } from 'node:fs';
import { ByteCounter } from '../../src/file-work/byte-counter.ts';

/** How many files this process has open. */
export function openFiles(): number {
  return readdirSync('/proc/self/fd').length;
}

/** Looks how many files are open whenever bytes are counted, in the middle of work that does not give way. */
export class OpenFileWatch extends ByteCounter {
  most = 0;

  override add(bytes: number): void {
    super.add(bytes);
    this.most = Math.max(this.most, openFiles());
  }
}
