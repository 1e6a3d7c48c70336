import { existsSync, statSync } from 'node:fs';
import { WholeFileWriter } from '../store/whole-file.ts';
import { ByteCounter } from './byte-counter.ts';
import { RowFile } from './row-file.ts';

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
        counter.add(from.offset);
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
