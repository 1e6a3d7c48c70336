import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { WholeFileWriter } from '../store/whole-file.ts';
import { ByteCounter } from './byte-counter.ts';

/** Per open file; retry shards overlap, so a few files are open at a time. */
const BLOCK_BYTES = 256 << 10;
const LINE_FEED = 0x0a;
/** Every row starts with these bytes; the line's number follows. */
const HEAD_BYTES = '{"line":'.length;

/**
 * Merges files of rows, each in ascending order of lines, into one; answers the number of rows.
 * A file is opened when the merge comes to its first line.
 * @throws Error when two files hold a row of the same line: that would break "exactly once"
 */
export function mergeRows(
  paths: readonly string[],
  target: string,
  counter: ByteCounter = new ByteCounter(),
): number {
  const there = paths.filter((path) => existsSync(path));
  counter.expect(there.reduce((sum, path) => sum + statSync(path).size, 0));
  const waiting = there
    .map((path) => ({ path, first: firstLineOf(path) }))
    .filter(({ first }) => first !== null)
    .sort((a, b) => b.first! - a.first!);
  const open: RowFile[] = [];
  const writer = new WholeFileWriter(target);
  let rows = 0;
  let last = 0;
  try {
    for (;;) {
      while (waiting.length > 0 && (open.length === 0 || waiting.at(-1)!.first! <= smallest(open).line)) {
        open.push(new RowFile(waiting.pop()!.path));
      }
      if (open.length === 0) break;
      const from = smallest(open);
      // Copy from this file until another one, open or waiting, has a smaller line.
      let limit = waiting.at(-1)?.first ?? Number.POSITIVE_INFINITY;
      for (const other of open) if (other !== from) limit = Math.min(limit, other.line);
      do {
        if (from.line <= last) throw new Error(`Line ${from.line} has two rows or stands out of order.`);
        last = from.line;
        rows += 1;
        writer.write(from.block, from.start, from.end);
        from.next();
      } while (!from.done && from.line <= limit);
      if (from.done) {
        counter.add(from.bytes);
        from.close();
        open.splice(open.indexOf(from), 1);
      }
    }
    writer.finish();
    return rows;
  } catch (error) {
    writer.abandon();
    throw error;
  } finally {
    for (const file of open) file.close();
  }
}

function smallest(open: readonly RowFile[]): RowFile {
  let best = open[0]!;
  for (const file of open) if (file.line < best.line) best = file;
  return best;
}

function firstLineOf(path: string): number | null {
  const file = new RowFile(path, 64);
  try {
    return file.done ? null : file.line;
  } finally {
    file.close();
  }
}

/** A file of rows with a current row: `block[start..end)`, line feed included. */
class RowFile {
  block: Buffer;
  start = 0;
  end = 0;
  line = 0;
  done = false;
  /** Read so far. */
  bytes = 0;
  private readonly descriptor: number;
  private filled = 0;

  constructor(path: string, blockBytes: number = BLOCK_BYTES) {
    this.block = Buffer.allocUnsafe(blockBytes);
    this.descriptor = openSync(path, 'r');
    this.next();
  }

  next(): void {
    this.start = this.end;
    let feed = this.find(this.start);
    while (feed === -1) {
      this.block.copyWithin(0, this.start, this.filled);
      this.filled -= this.start;
      const searched = this.filled;
      this.start = 0;
      if (this.filled === this.block.length) {
        const larger = Buffer.allocUnsafe(this.block.length * 2);
        this.block.copy(larger, 0, 0, this.filled);
        this.block = larger;
      }
      const read = readSync(this.descriptor, this.block, this.filled, this.block.length - this.filled, null);
      if (read === 0) {
        this.done = true;
        return;
      }
      this.filled += read;
      this.bytes += read;
      feed = this.find(searched);
    }
    this.end = feed + 1;
    let line = 0;
    for (let i = this.start + HEAD_BYTES; this.block[i] !== 0x2c; i += 1)
      line = line * 10 + (this.block[i]! - 0x30);
    this.line = line;
  }

  close(): void {
    closeSync(this.descriptor);
  }

  private find(from: number): number {
    const feed = this.block.indexOf(LINE_FEED, from);
    return feed < this.filled ? feed : -1;
  }
}
