import { recordCancel } from '../store/job-pass.ts';
import type { Dependencies } from './step/dependencies.ts';
import { readDuplicates } from './batches/duplicate-batches.ts';
import { whileBeating } from './step/heartbeat.ts';

/** A batch in flight. Version 0.1 named its id only. */
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
 * Asks the API to cancel a batch, and what was created on top of it. Safe twice: cancelling a cancelled batch is
 * accepted, and a batch that has ended otherwise (409) or is unknown (404) needs no cancel. No refusal ends the job: the
 * batch is awaited all the same, and what it answered is read. Only a refused account is reported. That a job is cancelled
 * is kept first, so that whoever starts it again, after its workflow was terminated, buys nothing more.
 */
export async function cancelBatch(
  { api, store }: Dependencies,
  { job, shard, batch, batchId, wholeJob = false, pass = 0 }: CancelRequest,
): Promise<void> {
  await whileBeating(async (signal) => {
    if (job !== undefined && wholeJob) await recordCancel(store, job, pass);
    await api.postCancel(batchId, signal);
    if (job === undefined || shard === undefined || batch === undefined) return;
    for (const id of await readDuplicates(store, job, { shard, batch })) await api.postCancel(id, signal);
  });
}
