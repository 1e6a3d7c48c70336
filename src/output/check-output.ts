import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { fileExists, outputFiles } from './output-files.ts';

/**
 * Checks that a folder can be written, and creates it if necessary.
 * @throws BatchError `bad_output`
 */
export async function checkWritableFolder(folder: string): Promise<void> {
  const probe = join(folder, `.durable-batch-${randomUUID().slice(0, 8)}.tmp`);
  try {
    await makeFolder(resolve(folder));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason =
      code === 'EEXIST' || code === 'ENOTDIR'
        ? 'cannot be created, because a file has its name or is part of its path'
        : `cannot be created (${code})`;
    throw badOutput(folder, reason, 'choose another folder or fix the permissions above it', error);
  }
  try {
    await writeFile(probe, '');
    await rm(probe);
  } catch (error) {
    throw badOutput(
      folder,
      `cannot be written (${(error as NodeJS.ErrnoException).code})`,
      'choose another folder or fix its permissions',
      error,
    );
  }
}

/**
 * Checks that a folder can take the results of a job: it is writable and contains no results of another job.
 * @throws BatchError `bad_output`
 */
export async function checkOutputFolder(folder: string, jobId: string): Promise<void> {
  await checkWritableFolder(folder);
  const report = await readIfThere(join(folder, outputFiles.report));
  const results =
    (await fileExists(join(folder, outputFiles.results))) ||
    (await fileExists(join(folder, outputFiles.partial)));
  if (report === null && !results) return;
  const owner = report === null ? await readIfThere(join(folder, outputFiles.mark)) : ownerOf(report);
  if (owner === jobId) return;
  throw badOutput(
    folder,
    `holds ${owner === null ? 'results without a job id' : `the results of job ${owner}`}`,
    'choose another folder or move them away',
  );
}

/** Creates a folder and its parents. Node's own `recursive` retries forever where nothing can be created, as in `/proc`. */
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

/** Another process may create it at the same time. */
function ignoreOther(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
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
    return null; // the folder is new or not ours: the caller decides by the results
  }
}

function badOutput(folder: string, what: string, advice: string, cause?: unknown): BatchError {
  return new BatchError(ErrorCode.BadOutput, `${folder}: the folder ${what}: ${advice}.`, {
    details: { file: folder },
    cause,
  });
}
