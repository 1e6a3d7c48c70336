import { isTerminal } from '../../core/batch-status.ts';
import type { ApiBatch } from '../../openai/api-batch.ts';
import type { BatchApi } from '../../openai/batch-api.ts';

/** Cancels those of several batches that have not ended. */
export async function cancelAll(
  api: BatchApi,
  batches: readonly ApiBatch[],
  signal: AbortSignal,
): Promise<void> {
  for (const { id, status } of batches)
    if (!isTerminal(status) && status !== 'cancelling') await api.postCancel(id, signal);
}
