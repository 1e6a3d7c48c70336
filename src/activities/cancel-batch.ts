import type OpenAI from 'openai';
import { isTerminal } from '../core/batch-status.ts';
import { keepCancel } from '../store/job-pass.ts';
import type { Dependencies } from './dependencies.ts';
import { readDuplicates } from './duplicate-batches.ts';
import { whileBeating } from './heartbeat.ts';
import { idOf, isAccountRefused, isNoSuchCall, isRefusal, toFailure } from '../openai/failure.ts';
import { shownStatus } from './shown-status.ts';

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
    if (job !== undefined && wholeJob) await keepCancel(store, job, pass);
    await cancelOne(api, batchId, signal);
    if (job === undefined || shard === undefined || batch === undefined) return;
    for (const id of await readDuplicates(store, job, { shard, batch })) await cancelOne(api, id, signal);
  });
}

/** Cancels those of several batches that have not ended. */
export async function cancelAll(
  api: OpenAI,
  batches: readonly OpenAI.Batch[],
  signal: AbortSignal,
): Promise<void> {
  for (const batch of batches) {
    const { status } = shownStatus(batch);
    if (!isTerminal(status) && status !== 'cancelling') await cancelOne(api, batch.id, signal);
  }
}

async function cancelOne(api: OpenAI, batchId: string, signal: AbortSignal): Promise<void> {
  try {
    const cancelled = await api.batches.cancel(batchId, { signal });
    idOf(cancelled, 'POST /batches/{id}/cancel'); // a proxy's "fine" has cancelled nothing
  } catch (error) {
    const failure = toFailure(error, 'POST /batches/{id}/cancel');
    // It has ended, is not known, or cannot be cancelled there.
    const isRefused =
      isNoSuchCall(error) || (isRefusal(error) && (error as { status?: number }).status !== 429);
    if (isRefused && !isAccountRefused(failure)) return;
    throw failure;
  }
}
