import { constants } from 'node:fs';
import { copyFile, mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { BatchError, ErrorCode } from '../core/errors.ts';

const RESULTS = 'results.jsonl';
const REPORT = 'report.json';
const PAGE = 'report.html';

/** Holds the job's id while its results are there and its report is not: a command killed in between is run again. */
const MARK = '.durable-batch-job';

/**
 * Makes sure that a folder can take the results of a job: it can be written and holds no other job's.
 * @throws BatchError `bad_output`
 */
export async function checkOutputFolder(folder: string, jobId: string): Promise<void> {
  const probe = join(folder, `.durable-batch-${randomUUID().slice(0, 8)}.tmp`);
  try {
    await mkdir(folder, { recursive: true });
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
  const results = await isThere(join(folder, RESULTS));
  if (report === null && !results) return;
  const owner = report === null ? await readIfThere(join(folder, MARK)) : ownerOf(report);
  if (owner === jobId) return;
  throw badOutput(
    folder,
    `holds the results of ${owner === null ? 'something else' : `job ${owner}`}`,
    'choose another folder or move them away',
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
    await rm(mark, { force: true });
    throw error;
  }
  if (await isThere(from.page)) await copyWhole(from.page, join(folder, PAGE));
  await copyWhole(from.report, join(folder, REPORT));
  await rm(mark, { force: true });
}

async function copyWhole(from: string, to: string): Promise<void> {
  const temporary = `${to}.${randomUUID().slice(0, 8)}.tmp`;
  try {
    // Where the file system can share blocks, this costs nothing; the store keeps a file of its own.
    await copyFile(from, temporary, constants.COPYFILE_FICLONE);
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
