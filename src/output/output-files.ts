import { randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';

/** The files of an output folder. */
export const outputFiles = {
  results: 'results.jsonl',
  report: 'report.json',
  page: 'report.html',
  /** Rows of a job without results yet; `results.jsonl` is always complete. */
  partial: 'results.partial.jsonl',
  /** Contains the job's id while there are results, or part of them, and no report: the same command can then be run again. */
  mark: '.durable-batch-job',
} as const;

export async function fileExists(path: string): Promise<boolean> {
  return await open(path, 'r').then(
    async (file) => {
      await file.close();
      return true;
    },
    () => false,
  );
}

/** Writes a file under a temporary name, syncs it and renames it. */
export async function writeAtomically(
  to: string,
  write: (temporary: string) => Promise<void>,
): Promise<void> {
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
