import { link, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { privateFolder } from '../core/private-folder.ts';
import { temporaryName } from '../files/atomic-file-writer.ts';
import { findHolder, keepHeld, nameOf, type Holder } from '../temporal/held-file.ts';
import { ownIdentity } from '../temporal/process-identity.ts';
import { withLock } from '../temporal/start-lock.ts';

const HEARTBEAT_POLL_MS = 200;

/**
 * Prevents a second `run` of the same job in this home while the first one is running: both would write the results and their
 * output to the terminal. Correctness does not depend on the lock: Temporal and the store guarantee it.
 *
 * The lock of a process that has ended (kill -9, reboot) is taken over; for a process of another machine or container this takes
 * up to 15 s.
 * @throws BatchError `job_conflict` naming the process that runs the job
 */
export async function lockJob(home: string, jobId: string): Promise<AsyncDisposable> {
  const path = join(home, 'run', `${jobId}.lock`);
  await mkdir(dirname(path), privateFolder);
  const mine = JSON.stringify(await ownIdentity());
  for (let attempt = 0; attempt < 5; attempt += 1) {
    if (await create(path, mine)) return await release(path, mine);
    const owner = await ownerOf(path);
    if (owner === 'free') continue;
    if (owner !== 'dead') {
      throw new BatchError(
        ErrorCode.JobConflict,
        `Another command, ${nameOf(owner)}, runs job ${jobId}: follow it with \`durable-batch watch ${jobId}\`.`,
        { details: { jobId } },
      );
    }
    // One process at a time: the slower of two that find a dead lock would delete the new lock of the faster one.
    await withLock(join(home, 'run', 'takeover'), async () => {
      if ((await findHolder(path)) === 'dead') await rm(path, { force: true });
    });
  }
  throw new BatchError(ErrorCode.JobConflict, `Another command runs job ${jobId}.`, {
    details: { jobId },
  });
}

/** Creates the file with its text; false if it exists. An empty lock would count as dead. */
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

/** The holder of the lock. For a process of another machine or container, waits for its next heartbeat or its timeout. */
async function ownerOf(path: string): Promise<Holder | 'dead' | 'free'> {
  const first = await findHolder(path);
  if (typeof first === 'string' || first.lastBeat === null) return first;
  for (;;) {
    await delay(HEARTBEAT_POLL_MS);
    const now = await findHolder(path);
    if (typeof now === 'string' || now.lastBeat !== first.lastBeat) return now;
  }
}
