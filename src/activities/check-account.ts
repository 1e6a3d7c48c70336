import type { Dependencies } from './dependencies.ts';
import { whileBeating } from './heartbeat.ts';
import { callApi } from './openai-failure.ts';

/**
 * Asks whether the API accepts the key, by reading one batch of the list. Safe twice: it only reads.
 * It cannot see a billing limit, which the API mentions only where something is bought.
 */
export async function checkAccount({ api }: Dependencies): Promise<void> {
  await whileBeating((signal) => callApi('GET /batches', () => api.batches.list({ limit: 1 }, { signal })));
}
