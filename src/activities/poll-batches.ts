import { setTimeout as sleep } from 'node:timers/promises';
import type { BatchReading, WatchedBatch } from './batches/batch-reading.ts';
import { takeSnapshot } from './batches/batch-snapshot.ts';
import type { Dependencies } from './step/dependencies.ts';
import { withHeartbeat } from './step/heartbeat.ts';

/** One poll of a job. */
export interface PollRequest {
  readonly job: string;
  readonly batches: readonly WatchedBatch[];
  /** How long to wait before the snapshot; under a second. */
  readonly afterMs: number;
  /** The number of earlier polls: selects the batches that are read individually. Absent from workflows of version 0.2 and before. */
  readonly turn?: number;
}

/**
 * Polls all batches in flight once, for jobs that began under version 0.2 or before; later jobs use `watchBatches`, which sends
 * less. Safe twice: it reads; a cancel of a cancelled batch is accepted; the record of an ended batch is written once.
 */
export async function pollBatches(
  deps: Dependencies,
  { job, batches, afterMs, turn = 0 }: PollRequest,
): Promise<BatchReading[]> {
  return await withHeartbeat(async (signal) => {
    if (afterMs > 0) await sleep(afterMs, undefined, { signal });
    return await takeSnapshot(deps, { job, batches, turn }, signal);
  });
}
