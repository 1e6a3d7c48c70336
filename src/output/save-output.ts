import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { badFlag } from '../core/bad-option.ts';
import type { JobSpec } from '../core/job-spec.ts';
import { Endpoint } from '../core/limits.ts';
import { loadDuckDb } from '../duckdb/load-duckdb.ts';
import { lineBlocks } from '../files/line-blocks.ts';
import { inputFiles, jobFiles } from '../store/job-files.ts';
import type { Store } from '../store/store.ts';
import { checkOutputFile } from './check-file.ts';
import { checkOutputFolder } from './check-output.ts';
import { failedRows } from './failed-rows.ts';
import { hasRows, planJobTable, rowColumns, specOf, type AnswersOfTemplate } from './job-table.ts';
import { inPieces } from './in-pieces.ts';
import { OutputFormat, outputFormatOf, outputTableOf } from './output-format.ts';
import { removeOwnFile, saveFile } from './save-file.ts';
import { writeAnswerLines } from './table/answer-lines.ts';
import { writeRows, writeTable } from './table/write-table.ts';
import { copyResults, writePartialResults } from './write-output.ts';
import { writeNpy } from './write-npy.ts';

/** What a table of results contains. */
export interface TableOptions {
  /**
   * Columns of the input that the table gets, in this order; for ready request lines there is only `custom_id`.
   * @default all
   */
  keep?: readonly string[] | undefined;
}

/**
 * Checks that a path can take the results of a job, of which only the id is known yet.
 * @throws BatchError `bad_output`
 */
export async function checkOutputPath(path: string, jobId: string): Promise<void> {
  if (outputFormatOf(path) === OutputFormat.Folder) await checkOutputFolder(path, jobId);
  else await checkOutputFile(path, jobId);
}

/**
 * Checks that the results of a job can be written to a path, before anything is sent. `template` is that of a job that is not started yet.
 * @throws BatchError `bad_output`, `bad_option`, `bad_input` if DuckDB is needed and not installed
 */
export async function checkOutput(
  store: Store,
  spec: JobSpec,
  path: string,
  { keep }: TableOptions = {},
  template: AnswersOfTemplate | null = null,
): Promise<void> {
  assertTable(path, { keep });
  await checkOutputPath(path, spec.jobId);
  if (
    outputFormatOf(path) === OutputFormat.Npy &&
    template !== null &&
    template.endpoint !== Endpoint.Embeddings
  )
    throw badFlag('npy', `is for embeddings, and the endpoint of the job is ${template.endpoint}`);
  if (outputTableOf(path) === null) return;
  await loadDuckDb();
  await planJobTable(store, spec, keep, template);
}

/**
 * Writes the results of a finished job to a folder or a file, by the ending of the path. May be called again: each file appears whole, and
 * replaces that of the same job.
 * @throws BatchError as `checkOutput`
 */
export async function saveOutput(
  store: Store,
  jobId: string,
  path: string,
  options: TableOptions = {},
): Promise<void> {
  assertTable(path, options);
  if (outputFormatOf(path) === OutputFormat.Folder) {
    await checkOutputFolder(path, jobId);
    await copyResults(store, jobId, path);
    return;
  }
  await saveRows(store, jobId, lineBlocks(store.readStream(jobFiles.results(jobId))), path, options);
  await removeOwnFile(partialPath(path), jobId);
}

/**
 * Writes the rows of a job that ended without results, for a file under a name of its own; returns its path.
 * @throws BatchError as `checkOutput`
 */
export async function savePartial(
  store: Store,
  jobId: string,
  rows: AsyncIterable<string>,
  path: string,
  options: TableOptions = {},
): Promise<string> {
  assertTable(path, options);
  if (outputFormatOf(path) === OutputFormat.Folder) return await writePartialResults(rows, path, jobId);
  const partial = partialPath(path);
  await saveRows(store, jobId, blocksOf(rows), partial, options);
  return partial;
}

/** `results.csv` of a job without results is `results.partial.csv`. */
function partialPath(path: string): string {
  return path.replace(/\.[^.]*$/, '.partial$&');
}

async function* blocksOf(rows: AsyncIterable<string>): AsyncGenerator<string[], void, undefined> {
  let block: string[] = [];
  for await (const row of rows) {
    if (block.push(row) < ROWS_A_BLOCK) continue;
    yield block;
    block = [];
  }
  yield block;
}

/** Rows that are written at a time. */
const ROWS_A_BLOCK = 1_000;

async function saveRows(
  store: Store,
  jobId: string,
  blocks: AsyncIterable<readonly string[]>,
  path: string,
  { keep }: TableOptions,
): Promise<void> {
  const format = outputTableOf(path);
  if (format === null) {
    await saveFile(path, jobId, async (to) => await writeNpy(blocks, to));
    return;
  }
  const spec = await specOf(store, jobId);
  const plan = await planJobTable(store, spec, keep, null);
  const key = plan.joinsRows && plan.input.length > 0 ? inputFiles.rows(spec.input.sha256) : null;
  await store.withFiles(key === null ? [] : [key], async (local) => {
    const rows = key === null ? null : { path: join(local, key), bytes: spec.input.bytes };
    await saveFile(path, jobId, async (to, folder) => {
      const answers = await writeAnswerLines(blocks, plan, join(folder, 'answers.jsonl'));
      await writeTable({ plan, rows, answers, path: to, format }, folder);
    });
  });
}

/**
 * Writes the input of a finished job's lines without an answer to a file, in the form of the input: rows with their own columns, or
 * `requests`, the lines of ready requests.
 * @throws BatchError `bad_option` for an ending that the input cannot have, `bad_output`, `store_unavailable`
 */
export async function saveFailed(
  store: Store,
  jobId: string,
  requests: AsyncIterable<string>,
  path: string,
): Promise<void> {
  const format = outputTableOf(path);
  if (format === null)
    throw badFlag('out', 'must be a file that ends in .jsonl, .csv or .parquet for the failed lines');
  const spec = await specOf(store, jobId);
  const isTable = hasRows(spec);
  if (!isTable && format !== OutputFormat.Jsonl)
    throw badFlag('out', 'must end in .jsonl for the failed lines of an input of ready requests');
  await saveFile(path, jobId, async (to, folder) => {
    const lines = format === OutputFormat.Jsonl ? to : join(folder, 'rows.jsonl');
    await writeFile(lines, inPieces(isTable ? failedRows(store, spec) : requests), { flag: 'wx' });
    if (format === OutputFormat.Jsonl) return;
    const { columns, rows } = await rowColumns(store, spec);
    // A failed row is as long as the others, on average.
    const sizes = { bytes: spec.input.bytes, rows };
    await writeRows({ path: lines, ...sizes }, columns, { path: to, format, folder });
  });
}

/** Only a table has columns to choose. */
function assertTable(path: string, { keep }: TableOptions): void {
  if (keep !== undefined && outputTableOf(path) === null)
    throw badFlag('keep', 'is for tables: name a file that ends in .jsonl, .csv or .parquet');
}
