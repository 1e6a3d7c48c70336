import { join } from 'node:path';
import { badFlag } from '../core/bad-option.ts';
import type { JobSpec } from '../core/job-spec.ts';
import { Endpoint } from '../core/limits.ts';
import { loadDuckDb } from '../duckdb/load-duckdb.ts';
import { withWorkingFolder } from '../files/working-folder.ts';
import { lineBlocks } from '../store/line-blocks.ts';
import { inputFiles, jobFiles } from '../store/job-files.ts';
import { readRecord, type Store } from '../store/store.ts';
import { checkOutputFile, checkWritableFile } from './check-file.ts';
import { checkOutputFolder, checkWritableFolder } from './check-output.ts';
import type { Owner } from './file-owner.ts';
import { checkImageFolder, ImageFolder, imageFolderOf, removeOwnImages } from './image-folder.ts';
import { endpointsOf, planJobTable, specOf, type AnswersOfTemplate } from './job-table.ts';
import { OutputFormat, outputFormatOf, outputTableOf } from './output-format.ts';
import { removeOwnFile, saveFile } from './save-file.ts';
import { imageEndpoints } from './table/answer-columns.ts';
import { answerLine } from './table/answer-line.ts';
import { writeAnswerLines } from './table/answer-lines.ts';
import { writeTable } from './table/write-table.ts';
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
 * Checks that results can be written to a path, before it is known of which job.
 * @throws BatchError `bad_output`, `bad_option`
 */
export async function checkOutputPlace(path: string, options: TableOptions = {}): Promise<void> {
  assertTable(path, options);
  if (outputFormatOf(path) === OutputFormat.Folder) await checkWritableFolder(path);
  else await checkWritableFile(path);
}

/**
 * Checks that a path can take the results of a job, of which only the id is known yet.
 * @throws BatchError `bad_output`, `bad_option`
 */
export async function checkOutputPath(
  path: string,
  jobId: string,
  options: TableOptions = {},
): Promise<void> {
  assertTable(path, options);
  if (outputFormatOf(path) === OutputFormat.Folder) await checkOutputFolder(path, jobId);
  else await checkOutputFile(path, ownerOf(jobId));
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
  await checkOutputPath(path, spec.jobId, { keep });
  if (
    outputFormatOf(path) === OutputFormat.Npy &&
    template !== null &&
    template.endpoint !== Endpoint.Embeddings
  )
    throw badFlag('npy', `is for embeddings, and the endpoint of the job is ${template.endpoint}`);
  if (outputFormatOf(path) !== OutputFormat.Npy && (await hasImages(store, spec, template)))
    await checkImageFolder(imageFolderOf(path), spec.jobId);
  if (outputTableOf(path) === null) return;
  await loadDuckDb();
  await planJobTable(store, spec, keep, template);
}

async function hasImages(store: Store, spec: JobSpec, template: AnswersOfTemplate | null): Promise<boolean> {
  return (await endpointsOf(store, spec, template)).some((endpoint) => imageEndpoints.has(endpoint));
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
    // The results are complete without; jobs of version 0.1 have no record of their spec.
    const spec = await readRecord<JobSpec>(store, jobFiles.spec(jobId));
    if (spec !== null && (await hasImages(store, spec, null))) await saveImages(store, jobId, path);
    return;
  }
  await saveRows(store, jobId, lineBlocks(store.readStream(jobFiles.results(jobId))), path, options);
  await removeOwnFile(partialPath(path), ownerOf(jobId));
  await removeOwnImages(imageFolderOf(partialPath(path)), jobId);
}

/** Writes the images of results to their folder in a folder of results. */
async function saveImages(store: Store, jobId: string, path: string): Promise<void> {
  await withWorkingFolder(path, async (folder) => {
    const images = new ImageFolder(path, folder, jobId);
    await images.open();
    for await (const block of lineBlocks(store.readStream(jobFiles.results(jobId))))
      for (const text of block)
        for (const image of answerLine(text, 'images').images) await images.write(image);
    await images.publish();
  });
}

/** Some of the rows of a job, in the order of its lines. */
interface PartOfRows {
  readonly rows: AsyncIterable<string>;
  /** All lines of the job. */
  readonly lines: number;
}

/**
 * Writes the rows of a job that ended without results, for a file under a name of its own; returns its path.
 * @throws BatchError as `checkOutput`
 */
export async function savePartial(
  store: Store,
  jobId: string,
  { rows, lines }: PartOfRows,
  path: string,
  options: TableOptions = {},
): Promise<string> {
  assertTable(path, options);
  if (outputFormatOf(path) === OutputFormat.Folder) return await writePartialResults(rows, path, jobId);
  const partial = partialPath(path);
  await saveRows(store, jobId, blocksOf(rows), partial, { ...options, lines });
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
  { keep, lines = null }: TableOptions & { lines?: number | null },
): Promise<void> {
  const format = outputTableOf(path);
  const owner = ownerOf(jobId);
  if (format === null) {
    await saveFile(path, owner, async (to) => await writeNpy(blocks, to, lines));
    return;
  }
  const spec = await specOf(store, jobId);
  const plan = await planJobTable(store, spec, keep, null);
  const key = plan.joinsRows && plan.input.length > 0 ? inputFiles.rows(spec.input.sha256) : null;
  await store.withFiles(key === null ? [] : [key], async (local) => {
    const rows = key === null ? null : { path: join(local, key), bytes: spec.input.bytes };
    await saveFile(path, owner, async (to, folder) => {
      const images = plan.answer.kind === 'images' ? new ImageFolder(path, folder, jobId) : null;
      await images?.open();
      const answers = await writeAnswerLines(blocks, plan, join(folder, 'answers.jsonl'), images);
      await writeTable({ plan, rows, answers, path: to, format }, folder);
      await images?.publish();
    });
  });
}

/**
 * Only a table has columns to choose.
 * @throws BatchError `bad_option`
 */
export function assertTable(path: string, { keep }: TableOptions): void {
  if (keep !== undefined && outputTableOf(path) === null)
    throw badFlag('keep', 'is for tables: name a file that ends in .jsonl, .csv or .parquet');
}

function ownerOf(job: string): Owner {
  return { job, kind: 'results' };
}
