import { setTimeout as sleep } from 'node:timers/promises';
import { jobInstance } from '../store/job-api.ts';
import {
  BatchSnapshot,
  dueBatches,
  readEnded,
  type BatchSight,
  type WatchedBatch,
} from './batch-snapshot.ts';
import type { Dependencies } from './dependencies.ts';
import { whileBeating } from './heartbeat.ts';

export type { BatchSight, WatchedBatch } from './batch-snapshot.ts';
export { toEndedRecord, type EndedRecord } from './ended-record.ts';

/** One poll of a job. */
export interface PollRequest {
  readonly job: string;
  readonly batches: readonly WatchedBatch[];
  /** How long to wait before the snapshot; under a second. */
  readonly afterMs: number;
  /** How many polls came before: decides which batches are read by themselves. Workers of version 0.2 and before send none. */
  readonly turn?: number;
}

/**
 * One look at all batches in flight, as workflows ask for it whose last task was done by version 0.1; since then
 * `watchBatches` does it, which sends less.
 *
 * A batch whose end is on record is not asked for. A batch that could not be read is left out, so that its last status
 * stands; the poll fails only when nothing could be read. Safe twice: it reads; a cancel of a cancelled batch is accepted; the
 * record of an ended batch is written once.
 */
export async function pollBatches(
  deps: Dependencies,
  { job, batches, afterMs, turn = 0 }: PollRequest,
): Promise<BatchSight[]> {
  return await whileBeating(async (signal) => {
    const ended: BatchSight[] = [];
    const running: WatchedBatch[] = [];
    for (const watched of batches) {
      const sight = await readEnded(deps, job, watched);
      if (sight === null) running.push(watched);
      else ended.push(sight);
    }
    if (running.length === 0) return ended;
    if (afterMs > 0) await sleep(afterMs, undefined, { signal });
    const instance = await jobInstance(deps.store, job);
    const snapshot = new BatchSnapshot(deps, job, instance, running, dueBatches(running, turn), signal);
    return [...ended, ...(await snapshot.take(ended.length > 0))];
  });
}
