import { setTimeout as sleep } from 'node:timers/promises';
import { refusalOf } from '../core/batch-status.ts';
import { jobInstance } from '../store/job-api.ts';
import { shardFiles } from '../store/job-files.ts';
import { readRecord } from '../store/store.ts';
import { BatchSnapshot, type BatchSight, type WatchedBatch } from './batch-snapshot.ts';
import type { Dependencies } from './dependencies.ts';
import type { EndedRecord } from './ended-record.ts';
import { whileBeating } from './heartbeat.ts';

export type { BatchSight, WatchedBatch } from './batch-snapshot.ts';
export { toEndedRecord, type EndedRecord } from './ended-record.ts';

/** One poll of a job. */
export interface PollRequest {
  readonly job: string;
  readonly batches: readonly WatchedBatch[];
  /** An interval too short for a timer of the server, slept here before each snapshot; under a second. */
  readonly afterMs: number;
  /** How many polls came before: decides which batches are read by themselves. Workers of version 0.2 and before send none. */
  readonly turn?: number;
}

/** Polls at intervals below a second loop inside the activity for so long, or until there is news: an activity costs 11 history events. */
const LOOKING_MS = 1_000;

/** Each poll reads this share of the batches by themselves: the list may be stale, and some servers advance a batch only when it is read so. */
const TURNS = 10;

/**
 * Reads the state of all batches in flight, and cancels batches that were created on top of them or of earlier ones of the
 * job. A batch whose end is on record is not asked for. The list saves calls; before anything is decided about a batch it is
 * read by itself, and so are all batches while the list does not work.
 *
 * A batch that could not be read is left out, so that its last status stands; the poll fails only when nothing could be read.
 * Safe twice: it reads; a cancel of a cancelled batch is accepted; the record of an ended batch is written once.
 */
export async function pollBatches(
  deps: Dependencies,
  { job, batches, afterMs, turn = 0 }: PollRequest,
): Promise<BatchSight[]> {
  return await whileBeating(async (signal) => {
    const until = performance.now() + LOOKING_MS - afterMs;
    const instance = await jobInstance(deps.store, job);
    const ended: BatchSight[] = [];
    const running: WatchedBatch[] = [];
    for (const watched of batches) {
      const sight = await readEnded(deps, job, watched);
      if (sight === null) running.push(watched);
      else ended.push(sight);
    }
    if (running.length === 0) return ended;
    for (let isFirst = true; ; isFirst = false) {
      if (afterMs > 0) await sleep(afterMs, undefined, { signal });
      const due = isFirst ? dueBatches(running, turn) : [];
      const snapshot = new BatchSnapshot(deps, job, instance, running, due, signal);
      const { sights, isNews } = await snapshot.take(ended.length > 0);
      if (isNews || ended.length > 0 || afterMs === 0 || performance.now() > until)
        return [...ended, ...sights];
    }
  });
}

/** The batch as its record shows its end; null while it has none. The API forgets batches, and a job may be started again later. */
async function readEnded(
  { store }: Dependencies,
  job: string,
  { shard, batch, batchId }: WatchedBatch,
): Promise<BatchSight | null> {
  const record = await readRecord<EndedRecord>(store, shardFiles.ended(job, shard, batch));
  if (record === null) return null;
  const { status, completed, errors, duplicates = [] } = record;
  return {
    batchId,
    status,
    completed,
    failed: 0,
    windowMs: null,
    refusal: status === 'failed' ? refusalOf(errors) : null,
    ...(duplicates.length === 0 ? {} : { duplicates: duplicates.length }),
  };
}

/** The batches whose turn it is to be read by themselves. */
function dueBatches(batches: readonly WatchedBatch[], turn: number): WatchedBatch[] {
  const count = Math.ceil(batches.length / TURNS);
  return batches.filter((_, index) => {
    const place = (index - turn * count) % batches.length;
    return (place < 0 ? place + batches.length : place) < count;
  });
}
