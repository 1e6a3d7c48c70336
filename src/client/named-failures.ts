import { open, type FileHandle } from 'node:fs/promises';
import type { FailedLine, JobReport } from '../core/progress.ts';
import { jobFiles } from '../store/job-files.ts';
import type { Store } from '../store/store.ts';
import type { ResultRow } from './result-rows.ts';

/** A report that names its first failed lines by their ids, where their rows are at hand. */
export interface NamedReport extends JobReport {
  readonly first_failed?: readonly NamedFailure[];
}

/** A line that failed. */
export interface NamedFailure extends FailedLine {
  /** As in its row: its `custom_id`, or else its number as text. */
  readonly id?: string;
}

const BLOCK_BYTES = 16 << 10;
const LINE_FEED = 0x0a;

/**
 * Gives the failed lines of a report their ids, from the job's results; each takes some forty reads, however many rows there are. Lines stay
 * as they are where the results are in another store, are gone, or cannot be read: the end of the job is told all the same.
 */
export async function nameFailures(store: Store, report: JobReport): Promise<NamedReport> {
  const { job_id: job, first_failed: failures = [] } = report;
  if (failures.length === 0) return report;
  try {
    const size = await store.size(jobFiles.results(job));
    if (size === null) return report;
    await using file = await open(await store.filePath(jobFiles.results(job)), 'r');
    const named: NamedFailure[] = [];
    for (const failure of failures) {
      const row = await findRow(file, size, failure.line);
      // Another pass may have put new results there since.
      named.push(row?.status === 'failed' ? { ...failure, id: row.id } : failure);
    }
    return { ...report, first_failed: named };
  } catch {
    return report;
  }
}

/** The row of a line in a file of rows in ascending order of lines; null where there is none. */
async function findRow(file: FileHandle, size: number, line: number): Promise<ResultRow | null> {
  // The row begins at `low` or behind it, and before `high`.
  let low = 0;
  let high = size;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const start = middle === 0 ? 0 : (await lineFeedFrom(file, middle - 1)) + 1;
    const found = start < high ? await lineAt(file, start) : Number.POSITIVE_INFINITY;
    if (found === line) return await rowAt(file, start);
    if (found < line) low = start + 1;
    else high = middle;
  }
  return null;
}

/** Where the next line feed stands. */
async function lineFeedFrom(file: FileHandle, from: number): Promise<number> {
  for (let at = from; ;) {
    const block = await blockAt(file, at, BLOCK_BYTES);
    if (block.length === 0) return Number.POSITIVE_INFINITY;
    const feed = block.indexOf(LINE_FEED);
    if (feed !== -1) return at + feed;
    at += block.length;
  }
}

/** The number that every row begins with. */
async function lineAt(file: FileHandle, start: number): Promise<number> {
  const head = await blockAt(file, start, '{"line":9007199254740991,'.length);
  return Number.parseInt(head.toString('latin1').slice('{"line":'.length), 10);
}

async function rowAt(file: FileHandle, start: number): Promise<ResultRow> {
  const row = await blockAt(file, start, (await lineFeedFrom(file, start)) - start);
  return JSON.parse(row.toString('utf8')) as ResultRow;
}

async function blockAt(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, at);
  return buffer.subarray(0, bytesRead);
}
