import { constants } from 'node:fs';
import { copyFile, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { randomUUID } from 'node:crypto';
import { BatchError, ErrorCode } from '../core/errors.ts';

const RESULTS = 'results.jsonl';
const REPORT = 'report.json';
const PAGE = 'report.html';

/** Rows of a job that has not come to its results; `results.jsonl` is whole wherever it is. */
const PARTIAL = 'results.partial.jsonl';

/** Characters written at a time. */
const PIECE_CHARACTERS = 1 << 18;

/** Holds the job's id while results or a part of them are there and the report is not: the same command is run again. */
const MARK = '.durable-batch-job';

/**
 * Makes sure that a folder can take the results of a job: it can be written and holds no other job's.
 * @throws BatchError `bad_output`
 */
export async function checkOutputFolder(folder: string, jobId: string): Promise<void> {
  const probe = join(folder, `.durable-batch-${randomUUID().slice(0, 8)}.tmp`);
  try {
    await makeFolder(resolve(folder));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason =
      code === 'EEXIST' || code === 'ENOTDIR'
        ? 'cannot be made, as a file stands there or in its path'
        : `cannot be made (${code})`;
    throw badOutput(folder, reason, 'choose another folder or mend the permissions above it', error);
  }
  try {
    await writeFile(probe, '');
    await rm(probe);
  } catch (error) {
    throw badOutput(
      folder,
      `cannot be written (${(error as NodeJS.ErrnoException).code})`,
      'choose another folder or mend its permissions',
      error,
    );
  }
  const report = await readIfThere(join(folder, REPORT));
  const results = (await isThere(join(folder, RESULTS))) || (await isThere(join(folder, PARTIAL)));
  if (report === null && !results) return;
  const owner = report === null ? await readIfThere(join(folder, MARK)) : ownerOf(report);
  if (owner === jobId) return;
  throw badOutput(
    folder,
    `holds the results of ${owner === null ? 'something else' : `job ${owner}`}`,
    'choose another folder or move them away',
  );
}

/** Makes a folder with those above it. Node's own `recursive` tries for ever where nothing can be made, as in `/proc`. */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && dirname(path) !== path) {
      await makeFolder(dirname(path));
      await mkdir(path).catch(ignoreOther);
    } else if (!(await isFolder(path))) throw error;
  }
}

/** Somebody else may make it at the same time. */
function ignoreOther(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

/**
 * Copies the finished files of a job into a folder; each appears only when whole, `report.json` last. A job need not have
 * a page: it may not have been drawn, and version 0.1 made none.
 */
export async function copyResults(
  from: { results: string; page: string; report: string },
  folder: string,
  jobId: string,
): Promise<void> {
  const mark = join(folder, MARK);
  await writeFile(mark, jobId);
  try {
    await copyWhole(from.results, join(folder, RESULTS));
  } catch (error) {
    if (!(await isThere(join(folder, PARTIAL)))) await rm(mark, { force: true });
    throw error;
  }
  if (await isThere(from.page)) await copyWhole(from.page, join(folder, PAGE));
  await copyWhole(from.report, join(folder, REPORT));
  await rm(join(folder, PARTIAL), { force: true });
  await rm(mark, { force: true });
}

/**
 * Writes the rows of a job that has no results yet as `results.partial.jsonl`, in place of earlier ones; returns the file's path.
 * The folder stays the job's: its results replace them.
 */
export async function writePartialResults(
  rows: AsyncIterable<string>,
  folder: string,
  jobId: string,
): Promise<string> {
  const path = join(folder, PARTIAL);
  await writeFile(join(folder, MARK), jobId);
  await appearWhole(path, async (temporary) => await writeFile(temporary, inPieces(rows)));
  return path;
}

/** Rows joined to pieces that are worth a write. */
async function* inPieces(rows: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  let piece = '';
  for await (const row of rows) {
    piece += `${row}\n`;
    if (piece.length < PIECE_CHARACTERS) continue;
    yield piece;
    piece = '';
  }
  yield piece;
}

async function copyWhole(from: string, to: string): Promise<void> {
  // Where the file system can share blocks, this costs nothing; the store keeps a file of its own.
  await appearWhole(to, async (temporary) => await copyFile(from, temporary, constants.COPYFILE_FICLONE));
}

/** Lets a file be written under another name, and gives it its own when it is whole. */
async function appearWhole(to: string, write: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${to}.${randomUUID().slice(0, 8)}.tmp`;
  try {
    await write(temporary);
    const file = await open(temporary, 'r+');
    await file.sync();
    await file.close();
    await rename(temporary, to);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

function ownerOf(report: string): string | null {
  try {
    return (JSON.parse(report) as { job_id?: string }).job_id ?? null;
  } catch {
    return null; // not a report of ours
  }
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return null; // no report: the folder is new, or not ours, which the caller tells from the results
  }
}

async function isThere(path: string): Promise<boolean> {
  return await open(path, 'r').then(
    async (file) => {
      await file.close();
      return true;
    },
    () => false,
  );
}

function badOutput(folder: string, what: string, advice: string, cause?: unknown): BatchError {
  return new BatchError(ErrorCode.BadOutput, `${folder}: the folder ${what}: ${advice}.`, {
    details: { file: folder },
    cause,
  });
}
