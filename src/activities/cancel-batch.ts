import type OpenAI from 'openai';
import { isTerminal, parseBatchStatus } from '../core/batch-status.ts';
import type { Dependencies } from './dependencies.ts';
import { readDuplicates } from './duplicate-batches.ts';
import { whileBeating } from './heartbeat.ts';
import { callApi, idOf } from './openai-failure.ts';

/** A batch in flight. Version 0.1 named its id only. */
export interface CancelRequest {
  readonly job?: string;
  readonly shard?: string;
  readonly batch?: number;
  readonly batchId: string;
}

/**
 * Asks the API to cancel a batch, and what was created on top of it. Safe twice: cancelling a cancelled batch is
 * accepted, and a batch that has ended otherwise (409) or is unknown (404) needs no cancel; what it answered is read all
 * the same.
 */
export async function cancelBatch(
  { api, store }: Dependencies,
  { job, shard, batch, batchId }: CancelRequest,
): Promise<void> {
  await whileBeating(async (signal) => {
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
  for (const { id, status } of batches) {
    const word = parseBatchStatus(status);
    if (!isTerminal(word) && word !== 'cancelling') await cancelOne(api, id, signal);
  }
}

async function cancelOne(api: OpenAI, batchId: string, signal: AbortSignal): Promise<void> {
  try {
    const cancelled = await api.batches.cancel(batchId, { signal });
    idOf(cancelled, 'POST /batches/{id}/cancel'); // a proxy's "fine" has cancelled nothing
  } catch (error) {
    const { status } = error as { status?: number };
    if (status === 409 || status === 404 || status === 400) return;
    await callApi('POST /batches/{id}/cancel', () => Promise.reject(error));
  }
}
