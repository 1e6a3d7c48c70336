import { constants } from 'node:fs';
import { copyFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jobFiles } from '../store/job-files.ts';
import type { Store } from '../store/store.ts';
import { inPieces } from './in-pieces.ts';
import { fileExists, outputFiles, writeAtomically } from './output-files.ts';

/**
 * Copies the finished files of a job into a folder, each atomically, `report.json` last. A job may have no page: drawing it may have
 * failed, and version 0.1 had none.
 */
export async function copyResults(store: Store, jobId: string, folder: string): Promise<void> {
  const keys = [jobFiles.results(jobId), jobFiles.page(jobId), jobFiles.report(jobId)] as const;
  await store.withFiles(keys, async (local) => {
    const [results, page, report] = keys.map((key) => join(local, key)) as [string, string, string];
    const mark = join(folder, outputFiles.mark);
    const partial = join(folder, outputFiles.partial);
    await writeFile(mark, jobId);
    try {
      await copyAtomically(results, join(folder, outputFiles.results));
    } catch (error) {
      if (!(await fileExists(partial))) await rm(mark, { force: true });
      throw error;
    }
    if (await fileExists(page)) await copyAtomically(page, join(folder, outputFiles.page));
    await copyAtomically(report, join(folder, outputFiles.report));
    await rm(partial, { force: true });
    await rm(mark, { force: true });
  });
}

/**
 * Writes the rows of a job without results as `results.partial.jsonl`, replacing earlier ones; returns the file's path.
 * The folder stays reserved for the job: its results replace the partial ones.
 */
export async function writePartialResults(
  rows: AsyncIterable<string>,
  folder: string,
  jobId: string,
): Promise<string> {
  const path = join(folder, outputFiles.partial);
  await writeFile(join(folder, outputFiles.mark), jobId);
  await writeAtomically(path, async (temporary) => await writeFile(temporary, inPieces(rows)));
  return path;
}

async function copyAtomically(from: string, to: string): Promise<void> {
  // A reflink costs nothing where the file system can share blocks; the store's file stays independent.
  await writeAtomically(to, async (temporary) => await copyFile(from, temporary, constants.COPYFILE_FICLONE));
}
