import { ApplicationFailure } from '@temporalio/common';
import type { Dependencies } from './dependencies.ts';
import { whileBeating } from './heartbeat.ts';
import { callApi, isAccountRefused, isFinal } from '../openai/failure.ts';

/** A hanging list is not waited for: the step has a minute. */
const LIST_MS = 20_000;

/**
 * Asks whether the API accepts the key, by reading one batch of the list; where the list does not work, by reading one file.
 * Safe twice: it only reads. It cannot see a billing limit, which the API mentions only where something is bought.
 */
export async function checkAccount({ api }: Dependencies): Promise<void> {
  await whileBeating(async (signal) => {
    try {
      const options = { signal, timeout: LIST_MS };
      await callApi('GET /batches', () => api.batches.list({ limit: 1 }, options));
    } catch (error) {
      if (!(error instanceof ApplicationFailure) || (isAccountRefused(error) && !concernsCall(error)))
        throw error;
      try {
        await callApi('GET /files', () => api.files.list({ limit: 1 }, { signal, timeout: LIST_MS }));
      } catch (other) {
        // A server without that route has not refused the key.
        if (!isFinal(other) || isAccountRefused(other)) throw other;
        if (isAccountRefused(error)) throw error;
      }
    }
  });
}

/** 403 may concern the list alone. */
function concernsCall(error: ApplicationFailure): boolean {
  const [answer] = (error.details ?? []) as ({ status?: unknown } | undefined)[];
  return answer?.status === 403;
}
