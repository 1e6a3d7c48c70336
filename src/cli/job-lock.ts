import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { isAlive, processStartTime, type ProcessIdentity } from '../temporal/index.ts';

/**
 * Keeps a second `run` of the same job off this home while the first one lives: both would write the results, and
 * only one could be told apart on the screen. Correctness does not rest on it: Temporal and the store see to that.
 *
 * A lock whose process is gone (kill -9, reboot) is taken over.
 * @throws BatchError `job_conflict` naming the process that has the job
 */
export async function lockJob(home: string, jobId: string): Promise<AsyncDisposable> {
  const path = join(home, 'run', `${jobId}.lock`);
  await mkdir(dirname(path), { recursive: true });
  const mine = JSON.stringify({ pid: process.pid, startTime: (await processStartTime(process.pid)) ?? '' });
  for (let tries = 0; tries < 5; tries += 1) {
    try {
      await writeFile(path, mine, { flag: 'wx' });
      return { [Symbol.asyncDispose]: () => rm(path, { force: true }) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const owner = await readOwner(path);
    if (owner !== null && (await isAlive(owner))) {
      throw new BatchError(
        ErrorCode.JobConflict,
        `Job ${jobId} is being run by process ${owner.pid}: follow it with \`durable-batch watch ${jobId}\`.`,
        { details: { jobId } },
      );
    }
    await rm(path, { force: true });
  }
  throw new BatchError(ErrorCode.JobConflict, `Job ${jobId} is being run by another command.`, {
    details: { jobId },
  });
}

async function readOwner(path: string): Promise<ProcessIdentity | null> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as ProcessIdentity;
  } catch {
    return null; // gone, or half written by a process that was killed
  }
}
