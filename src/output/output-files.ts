import { randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';

/** The files of an output folder. */
export const outputFiles = {
  results: 'results.jsonl',
  report: 'report.json',
  page: 'report.html',
  /** Rows of a job that has not come to its results; `results.jsonl` is whole wherever it is. */
  partial: 'results.partial.jsonl',
  /** Holds the job's id while results or a part of them are there and the report is not: the same command is run again. */
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

/** Lets a file be written under another name, and gives it its own when it is whole. */
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
