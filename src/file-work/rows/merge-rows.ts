import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { plainCode } from '../../core/plain-code.ts';
import type { FailedLine } from '../../core/progress.ts';
import { AtomicFileWriter } from '../../files/atomic-file-writer.ts';
import { ByteCounter } from '../byte-counter.ts';
import { RowFile } from './row-file.ts';

/** Files that are kept open at a time. An input with more models may need more files at once. */
const MAX_HELD = 64;

/** The keys of files of rows, each in ascending order of lines. */
export interface RowsToMerge {
  readonly files: readonly string[];
  readonly target: string;
  /** The number of files, from the end, with rows of lines that were bought again: they replace rows of earlier files. @default 0 */
  readonly replacing?: number;
  /** The number of failed lines to return, from the first. @default 0 */
  readonly examples?: number;
  /** Counts the merged bytes. */
  readonly counter?: ByteCounter;
}

/** The result of a merge. */
export interface MergedRows {
  readonly rows: number;
  /** The first failed lines, at most `examples`. */
  readonly failed: readonly FailedLine[];
}

/**
 * Merges files of rows into one. A file is opened when the merge reaches its first line. Rows are parsed only until `examples`
 * failed ones are found.
 * @throws Error when two files have a row of the same line and neither replaces the other: that would break "exactly once"
 */
export function mergeRows(
  folder: string,
  { files, target, replacing = 0, examples = 0, counter = new ByteCounter() }: RowsToMerge,
): MergedRows {
  const there = files
    .map((key, index) => ({
      path: join(folder, key),
      rank: Math.max(0, index - (files.length - replacing) + 1),
    }))
    .filter(({ path }) => existsSync(path));
  counter.expect(there.reduce((sum, { path }) => sum + statSync(path).size, 0));
  const waiting = there
    .map(({ path, rank }) => ({ path, rank, first: firstLineOf(path) }))
    .filter(({ first }) => first !== null)
    .sort((a, b) => b.first! - a.first!);
  const open: RankedRows[] = [];
  const writer = new AtomicFileWriter(join(folder, target));
  const failed: FailedLine[] = [];
  let rows = 0;
  let last = 0;
  let lastRank = 0;
  try {
    for (;;) {
      while (waiting.length > 0 && (open.length === 0 || waiting.at(-1)!.first! <= smallest(open).line)) {
        const { path, rank } = waiting.pop()!;
        open.push(new RankedRows(path, rank, open.length >= MAX_HELD));
      }
      if (open.length === 0) break;
      const from = smallest(open);
      // Copy from this file until another one, open or waiting, has a smaller line.
      let limit = waiting.at(-1)?.first ?? Number.POSITIVE_INFINITY;
      for (const other of open) if (other !== from) limit = Math.min(limit, other.line);
      do {
        if (from.line > last) {
          last = from.line;
          lastRank = from.rank;
          rows += 1;
          writer.write(from.block, from.start, from.end);
          if (failed.length < examples && from.isFailed) failed.push(failedLine(from));
        } else if (from.line < last || from.rank >= lastRank) {
          throw new Error(`Line ${from.line} has two rows or is out of order.`);
        }
        from.next();
      } while (!from.done && from.line < limit);
      if (from.done) {
        counter.add(from.offset);
        from.close();
        open.splice(open.indexOf(from), 1);
      }
    }
    writer.finish();
    return { rows, failed };
  } catch (error) {
    writer.abandon();
    throw error;
  } finally {
    for (const file of open) file.close();
  }
}

/** A file of rows; they replace rows of the same lines in files of a lower rank. */
class RankedRows extends RowFile {
  readonly rank: number;

  constructor(path: string, rank: number, small: boolean) {
    super(path, small);
    this.rank = rank;
  }
}

/** The file with the next row; of rows of the same line, the one of the highest rank. */
function smallest(open: readonly RankedRows[]): RankedRows {
  let best = open[0]!;
  for (const file of open)
    if (file.line < best.line || (file.line === best.line && file.rank > best.rank)) best = file;
  return best;
}

function failedLine({ line, block, start, end }: RowFile): FailedLine {
  const { error } = JSON.parse(block.toString('utf8', start, end)) as { error: { code: string } };
  return { line, code: plainCode(error.code) };
}

function firstLineOf(path: string): number | null {
  const file = new RowFile(path, true);
  try {
    return file.done ? null : file.line;
  } finally {
    file.close();
  }
}
