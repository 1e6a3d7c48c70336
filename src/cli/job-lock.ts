import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { privateFolder } from '../core/private-folder.ts';
import { temporaryName } from '../store/whole-file.ts';
import { isAlive, processStartTime, type ProcessIdentity } from '../temporal/index.ts';
import { withLock } from '../temporal/start-lock.ts';

/**
 * Keeps a second `run` of the same job off this home while the first one lives: both would write the results, and
 * only one could be told apart on the screen. Correctness does not rest on it: Temporal and the store see to that.
 *
 * A lock whose process is gone (kill -9, reboot) is taken over.
 * @throws BatchError `job_conflict` naming the process that has the job
 */
export async function lockJob(home: string, jobId: string): Promise<AsyncDisposable> {
  const path = join(home, 'run', `${jobId}.lock`);
  await mkdir(dirname(path), privateFolder);
  const mine = JSON.stringify({ pid: process.pid, startTime: (await processStartTime(process.pid)) ?? '' });
  for (let tries = 0; tries < 5; tries += 1) {
    if (await create(path, mine)) return { [Symbol.asyncDispose]: () => rm(path, { force: true }) };
    const owner = await ownerOf(path);
    if (owner === 'nobody') continue;
    if (owner !== 'dead') {
      throw new BatchError(
        ErrorCode.JobConflict,
        `Job ${jobId} is being run by process ${owner.pid}: follow it with \`durable-batch watch ${jobId}\`.`,
        { details: { jobId } },
      );
    }
    // One at a time: the slower of two that find a lock dead would delete the one that the faster has just made.
    await withLock(join(home, 'run', 'takeover'), async () => {
      if ((await ownerOf(path)) === 'dead') await rm(path, { force: true });
    });
  }
  throw new BatchError(ErrorCode.JobConflict, `Job ${jobId} is being run by another command.`, {
    details: { jobId },
  });
}

/** False when the file is there already. It appears with its text: an empty lock would look like a dead one. */
async function create(path: string, text: string): Promise<boolean> {
  const draft = temporaryName(path);
  await writeFile(draft, text);
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  } finally {
    await rm(draft, { force: true });
  }
}

/** Who holds the lock; `dead` when its process is gone, or its text was cut short by a power loss. */
async function ownerOf(path: string): Promise<ProcessIdentity | 'dead' | 'nobody'> {
  try {
    const owner = JSON.parse(await readFile(path, 'utf8')) as ProcessIdentity;
    return (await isAlive(owner)) ? owner : 'dead';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'nobody' : 'dead';
  }
}
