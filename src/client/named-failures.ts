import type { FailedLine, JobReport } from '../core/progress.ts';
import { jobFiles } from '../store/job-files.ts';
import type { Store } from '../store/store.ts';
import type { ResultRow } from '../core/result-row.ts';
import type { RowsToRead } from './result-rows.ts';

/** A report with the ids of its first failed lines, if their rows can be read. */
export interface NamedReport extends JobReport {
  readonly first_failed?: readonly NamedFailure[];
}

/** A line that failed. */
export interface NamedFailure extends FailedLine {
  /** As in its row: its `custom_id`, or else its number as text. */
  readonly id?: string;
}

/** The results of a job. */
type Results = Pick<RowsToRead, 'store' | 'key'>;

const BLOCK_BYTES = 16 << 10;
const LINE_FEED = 0x0a;

/**
 * Adds the ids to the failed lines of a report, from the job's results. Each takes about forty reads, for any number of rows. Lines
 * are left without ids if the results are in another store, missing or unreadable: the report must be shown anyway.
 */
export async function nameFailures(store: Store, report: JobReport): Promise<NamedReport> {
  const { job_id: job, first_failed: failures = [] } = report;
  if (failures.length === 0) return report;
  try {
    const results = { store, key: jobFiles.results(job) };
    const size = await store.size(results.key);
    if (size === null) return report;
    const named: NamedFailure[] = [];
    for (const failure of failures) {
      const row = await findRow(results, size, failure.line);
      // Another pass may have written new results since, also between two reads.
      const isIts = row?.line === failure.line && row.status === 'failed';
      named.push(isIts ? { ...failure, id: row.id } : failure);
    }
    return { ...report, first_failed: named };
  } catch {
    return report;
  }
}

/** Finds the row of a line in a file of rows in ascending order of lines; null if there is none. */
async function findRow(results: Results, size: number, line: number): Promise<ResultRow | null> {
  // The row starts at or after `low`, and before `high`.
  let low = 0;
  let high = size;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const start = middle === 0 ? 0 : (await lineFeedFrom(results, middle - 1)) + 1;
    const found = start < high ? await lineAt(results, start) : Number.POSITIVE_INFINITY;
    if (found === line) return await rowAt(results, start);
    if (found < line) low = start + 1;
    else high = middle;
  }
  return null;
}

/** The offset of the next line feed. */
async function lineFeedFrom(results: Results, from: number): Promise<number> {
  for (let at = from; ;) {
    const block = await blockAt(results, at, BLOCK_BYTES);
    if (block.length === 0) return Number.POSITIVE_INFINITY;
    const feed = block.indexOf(LINE_FEED);
    if (feed !== -1) return at + feed;
    at += block.length;
  }
}

/** The line number at the start of every row. */
async function lineAt(results: Results, start: number): Promise<number> {
  const head = await blockAt(results, start, '{"line":9007199254740991,'.length);
  return Number.parseInt(head.toString('latin1').slice('{"line":'.length), 10);
}

async function rowAt(results: Results, start: number): Promise<ResultRow> {
  const row = await blockAt(results, start, (await lineFeedFrom(results, start)) - start);
  return JSON.parse(row.toString('utf8')) as ResultRow;
}

async function blockAt({ store, key }: Results, at: number, length: number): Promise<Buffer> {
  return await store.readAt(key, at, length);
}
