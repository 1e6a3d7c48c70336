import { recordCancel } from '../store/job-pass.ts';
import type { Dependencies } from './step/dependencies.ts';
import { readDuplicates } from './batches/duplicate-batches.ts';
import { withHeartbeat } from './step/heartbeat.ts';

/** A batch in flight. Version 0.1 sends only its id. */
export interface CancelRequest {
  readonly job?: string;
  readonly shard?: string;
  readonly batch?: number;
  readonly batchId: string;
  /** True when the whole job is cancelled; absent from workflows of version 0.2 and before. */
  readonly wholeJob?: boolean;
  /** The job's pass, see `store/job-pass.ts`; absent for the first. */
  readonly pass?: number;
}

/**
 * Asks the API to cancel a batch and its duplicates. Safe twice: the API accepts the cancel of a cancelled batch, and a batch
 * that has ended in another way (409) or is unknown (404) needs none. No refusal ends the job: it waits for the end of the batch
 * and reads its answers. Only a refused account fails the step. The cancel of a job is recorded first, so a job that is
 * started again after its workflow was terminated sends nothing more.
 */
export async function cancelBatch(
  { api, store }: Dependencies,
  { job, shard, batch, batchId, wholeJob = false, pass = 0 }: CancelRequest,
): Promise<void> {
  await withHeartbeat(async (signal) => {
    if (job !== undefined && wholeJob) await recordCancel(store, job, pass);
    await api.postCancel(batchId, signal);
    if (job === undefined || shard === undefined || batch === undefined) return;
    for (const id of await readDuplicates(store, job, { shard, batch })) await api.postCancel(id, signal);
  });
}
