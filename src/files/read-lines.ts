import { isUtf8 } from 'node:buffer';
import { closeSync, readSync } from 'node:fs';
import { openFileSync } from './regular-file.ts';

/** Large enough that reading costs little, small enough to keep two threads within a few MB. */
const BLOCK_BYTES = 2 << 20;
const LINE_FEED = 0x0a;

/** The block of this thread's last file, reused for the next one: left to the garbage collector, tens of MB of blocks pile up. */
let spareBlock: Buffer | null = null;

/** Wraps a call of the file system, to record when it begins and ends. */
export type AroundRead = (read: () => number) => number;

/** A line of a file; its bytes are `block[start..end)`. */
export interface FileLine {
  /** 1-based. */
  number: number;
  start: number;
  /** Without the line feed. */
  end: number;
  /** End of the last whole line in this block. The block's first line starts at 0. */
  blockEnd: number;
  /** Offset of the line's first byte in the file. */
  fileOffset: number;
  /** False when the bytes are not UTF-8. */
  utf8: boolean;
  /** True when the line is longer than allowed; its bytes are not available. */
  overlong: boolean;
}

/** Hooks into the reading of a file. */
export interface ReadHooks {
  /** Called with the file's bytes as they are read. */
  readonly onBytes?: ((bytes: Uint8Array) => void) | undefined;
  /** Wraps each call of the file system. */
  readonly around?: AroundRead | undefined;
}

/**
 * Calls `onLine` for each line of a file, in order. Lines end at `\n` and nowhere else: U+2028 and a lone `\r`
 * are legal inside JSON strings. Memory is one block, or one line where that is longer.
 *
 * The block and the line's object are valid only during the call.
 * @throws NotARegularFile for pipes, devices, sockets and folders
 */
export function readLines(
  path: string,
  maxLineBytes: number,
  onLine: (block: Buffer, line: FileLine) => void,
  { onBytes, around = (read) => read() }: ReadHooks = {},
): void {
  const file = around(() => openFileSync(path));
  let block = spareBlock ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
  spareBlock = null; // `onLine` may read another file
  try {
    let held = 0; // bytes of an unfinished line at the front of the block
    let blockOffset = 0; // offset of the block's first byte in the file
    let skipping = false; // inside a line that is too long
    let searched = 0;
    const line: FileLine = {
      number: 0,
      start: 0,
      end: 0,
      blockEnd: 0,
      fileOffset: 0,
      utf8: true,
      overlong: false,
    };
    const emit = (start: number, end: number, utf8: boolean): void => {
      line.number += 1;
      line.start = start;
      line.end = end;
      line.fileOffset = blockOffset + start;
      line.overlong = skipping || end - start > maxLineBytes;
      line.utf8 = utf8;
      skipping = false;
      onLine(block, line);
    };
    for (;;) {
      if (held === block.length) {
        if (held > maxLineBytes) {
          // Too long to be a line: drop its bytes, and continue to search its end.
          skipping = true;
          blockOffset += held;
          held = searched = 0;
        } else {
          const larger = Buffer.allocUnsafe(Math.min(block.length * 2, maxLineBytes + BLOCK_BYTES));
          block.copy(larger, 0, 0, held);
          block = larger;
        }
      }
      const [into, from] = [block, held];
      const read = around(() => readSync(file, into, from, into.length - from, null));
      if (read > 0) onBytes?.(block.subarray(held, held + read));
      const filled = held + read;
      if (read === 0) {
        line.blockEnd = held;
        if (held > 0 || skipping) emit(0, held, isUtf8(block.subarray(0, held)));
        return;
      }
      const last = block.lastIndexOf(LINE_FEED, filled - 1);
      const whole = last < searched ? -1 : last;
      if (whole !== -1) {
        line.blockEnd = whole;
        const allUtf8 = isUtf8(block.subarray(0, whole));
        let start = 0;
        while (start <= whole) {
          const end = block.indexOf(LINE_FEED, start);
          emit(start, end, allUtf8 || isUtf8(block.subarray(start, end)));
          start = end + 1;
        }
        block.copyWithin(0, start, filled);
        blockOffset += start;
        held = searched = filled - start;
      } else {
        held = searched = filled;
      }
    }
  } finally {
    closeSync(file);
    if (block.length === BLOCK_BYTES) spareBlock = block;
  }
}
