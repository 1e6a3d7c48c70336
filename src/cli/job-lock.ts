import { link, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { privateFolder } from '../core/private-folder.ts';
import { temporaryName } from '../files/atomic-file-writer.ts';
import { findHolder, keepHeld, nameOf, type Holder } from '../temporal/held-file.ts';
import { ownIdentity } from '../temporal/process-identity.ts';
import { withLock } from '../temporal/start-lock.ts';

const LISTEN_AGAIN_MS = 200;

/**
 * Keeps a second `run` of the same job off this home while the first one lives: both would write the results, and
 * only one could be told apart on the screen. Correctness does not rest on it: Temporal and the store see to that.
 *
 * A lock whose process is gone (kill -9, reboot) is taken over; whether one of another machine or container is gone shows
 * within 15 s.
 * @throws BatchError `job_conflict` naming the process that has the job
 */
export async function lockJob(home: string, jobId: string): Promise<AsyncDisposable> {
  const path = join(home, 'run', `${jobId}.lock`);
  await mkdir(dirname(path), privateFolder);
  const mine = JSON.stringify(await ownIdentity());
  for (let tries = 0; tries < 5; tries += 1) {
    if (await create(path, mine)) return await release(path, mine);
    const owner = await ownerOf(path);
    if (owner === 'free') continue;
    if (owner !== 'dead') {
      throw new BatchError(
        ErrorCode.JobConflict,
        `Job ${jobId} is being run by ${nameOf(owner)}: follow it with \`durable-batch watch ${jobId}\`.`,
        { details: { jobId } },
      );
    }
    // One at a time: the slower of two that find a lock dead would delete the one that the faster has just made.
    await withLock(join(home, 'run', 'takeover'), async () => {
      if ((await findHolder(path)) === 'dead') await rm(path, { force: true });
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

async function release(path: string, text: string): Promise<AsyncDisposable> {
  const held = await keepHeld(path, text);
  return {
    async [Symbol.asyncDispose](): Promise<void> {
      await held[Symbol.asyncDispose]();
      await rm(path, { force: true });
    },
  };
}

/** Who holds the lock. A process of another machine or container is listened to until it is heard, or known to be gone. */
async function ownerOf(path: string): Promise<Holder | 'dead' | 'free'> {
  const first = await findHolder(path);
  if (typeof first === 'string' || first.lastBeat === null) return first;
  for (;;) {
    await delay(LISTEN_AGAIN_MS);
    const now = await findHolder(path);
    if (typeof now === 'string' || now.lastBeat !== first.lastBeat) return now;
  }
}
