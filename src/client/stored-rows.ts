import { BatchError, ErrorCode } from '../core/errors.ts';
import {
  endedLines,
  shardId,
  type RoundPlan,
  type ShardManifest,
  type ShardOutcome,
} from '../core/shard-plan.ts';
import { OutputFormat, outputFormatOf } from '../output/output-format.ts';
import { jobFiles, shardFiles } from '../store/job-files.ts';
import { readRecord, type Store } from '../store/store.ts';
import { readRowTexts, type RowText } from './result-rows.ts';

/** A file of rows in ascending order of lines. */
interface RowsFile {
  readonly key: string;
  /** The first line of the file, or a lower one. */
  readonly from: number;
  /** Its rows replace rows of the same lines in files of a lower rank: those lines were bought again. */
  readonly rank: number;
}

/** The rows of a job without results: those of its settled shards, and of lines that needed no shard. */
export interface StoredRows {
  /** How many there are. */
  readonly rows: number;
  /** Lines of the job. */
  readonly lines: number;
  readonly files: readonly RowsFile[];
}

/** Finds the rows of a job in the store; null if its input was not cut into shards, so that it has none. */
export async function findStoredRows(store: Store, job: string): Promise<StoredRows | null> {
  const first = await readRecord<RoundPlan>(store, jobFiles.round(job, 1));
  if (first === null) return null;
  const { lines, rejected, kept = 0 } = first;
  const files: RowsFile[] = [];
  let rows = rejected + kept;
  if (rejected > 0) files.push({ key: jobFiles.rejected(job), from: 0, rank: 0 });
  if (kept > 0) files.push({ key: jobFiles.kept(job), from: 0, rank: 0 });
  let rank = 0;
  for (let round = 1, plan: RoundPlan | null = first; plan !== null;) {
    if (rank > 0 || plan.rebought === true) rank = round;
    for (let index = 0; index < plan.shards; index += 1) {
      const shard = shardId(round, index);
      const outcome = await readRecord<ShardOutcome>(store, shardFiles.outcome(job, shard));
      if (outcome === null) continue; // not settled: its rows, if any, may change
      const manifest = (await readRecord<ShardManifest>(store, shardFiles.manifest(job, shard)))!;
      const ended = endedLines(manifest, outcome);
      if (ended === 0) continue;
      if (rank === 0) rows += ended; // otherwise its lines already had rows
      files.push({
        key: shardFiles.rows(job, shard, outcome.rows),
        from: manifest.ranges[0]?.[0] ?? 0,
        rank,
      });
    }
    round += 1;
    plan = await readRecord<RoundPlan>(store, jobFiles.round(job, round));
  }
  return { rows, lines: lines + rejected + kept, files };
}

/** Maximum open files: an input of many models may need one file for each of them at once. */
const MAX_HELD = 64;

/** Yields the rows of these files in the order of their lines. A file is opened when the merge reaches its first line. */
export async function* mergedRowTexts(
  store: Store,
  files: readonly RowsFile[],
  jobId: string,
): AsyncGenerator<RowText, void, undefined> {
  const waiting = files.toSorted((a, b) => b.from - a.from);
  const open: { row: RowText; line: number; rank: number; rest: AsyncGenerator<RowText> }[] = [];
  let last = 0;
  try {
    for (;;) {
      while (waiting.length > 0 && waiting.at(-1)!.from <= smallest(open)) {
        const { key, rank } = waiting.pop()!;
        const rest = readRowTexts({ store, key, jobId, lean: open.length >= MAX_HELD });
        const { value: row, done } = await rest.next();
        if (done !== true) open.push({ row, line: lineOf(row), rank, rest });
      }
      const line = smallest(open);
      const from = open.filter((file) => file.line === line).sort((a, b) => b.rank - a.rank)[0];
      if (from === undefined) return;
      if (line > last) yield from.row;
      last = line;
      const { value: row, done } = await from.rest.next();
      if (done === true) open.splice(open.indexOf(from), 1);
      else Object.assign(from, { row, line: lineOf(row) });
    }
  } finally {
    for (const { rest } of open) await rest.return(undefined);
  }
}

/** The error of a job without results whose rows were returned or written to a file. */
export function partialResults(
  failure: BatchError,
  { rows, lines }: StoredRows,
  jobId: string,
  file: string | null,
): BatchError {
  const why =
    failure.code === ErrorCode.JobNotFound
      ? `The server no longer has job ${jobId}, and the job has no results.`
      : failure.message;
  const where = file === null ? 'The rows above are' : `${file} contains`;
  const isMatrix = file !== null && outputFormatOf(file) === OutputFormat.Npy;
  const others = isMatrix ? ', and NaN for lines without a vector' : '';
  return new BatchError(
    ErrorCode.PartialResults,
    `${why} ${where} ${rows} of ${lines}${others}: the same command as before continues the job, and pays for nothing twice.`,
    { details: { jobId, rows, lines, ...(file === null ? {} : { file }) }, cause: failure },
  );
}

function smallest(open: readonly { readonly line: number }[]): number {
  let line = Number.POSITIVE_INFINITY;
  for (const file of open) line = Math.min(line, file.line);
  return line;
}

/** The line number at the start of every row. */
function lineOf({ text }: RowText): number {
  return Number.parseInt(text.slice('{"line":'.length), 10);
}
