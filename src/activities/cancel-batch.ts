import type { Dependencies } from './dependencies.ts';
import { whileBeating } from './heartbeat.ts';
import { callApi, idOf } from './openai-failure.ts';

/**
 * Asks the API to cancel a batch. Safe twice: cancelling a cancelled batch is accepted, and a batch that has
 * ended otherwise (409) or is unknown (404) needs no cancel; what it answered is read all the same.
 */
export async function cancelBatch({ api }: Dependencies, { batchId }: { batchId: string }): Promise<void> {
  try {
    const cancelled = await whileBeating((signal) => api.batches.cancel(batchId, { signal }));
    idOf(cancelled, 'POST /batches/{id}/cancel'); // a proxy's "fine" has cancelled nothing
  } catch (error) {
    const { status } = error as { status?: number };
    if (status === 409 || status === 404 || status === 400) return;
    await callApi('POST /batches/{id}/cancel', () => Promise.reject(error));
  }
}
