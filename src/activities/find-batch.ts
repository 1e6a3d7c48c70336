import type OpenAI from 'openai';
import { ApplicationFailure } from '@temporalio/common';
import { FailureType } from '../core/failure.ts';
import { MAX_LIST_PAGE } from '../core/limits.ts';
import { callApi, notTheApi } from './openai-failure.ts';

/** The metadata key under which a batch carries the name of the shard it was created for. */
export const SHARD_KEY = 'durable_batch_shard';
/** The metadata key of the job. */
export const JOB_KEY = 'durable_batch_job';

/** Clocks of the API and of this machine may differ by this much. */
const CLOCK_MARGIN_S = 600;

/** At 2,000 creations an hour (guide, "Rate limits") this is more than two days of an account's batches. */
const MAX_PAGES = 1_000;

/** One page after another of the account's batches, newest first, until `stop` says so, the list ends or repeats itself. */
export async function sweepBatches(
  api: OpenAI,
  signal: AbortSignal,
  visit: (batch: OpenAI.Batch) => 'go on' | 'stop',
): Promise<void> {
  const seen = new Set<string>();
  let after: string | undefined;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const query = { limit: MAX_LIST_PAGE, ...(after === undefined ? {} : { after }) };
    const { data, has_more } = await callApi('GET /batches', () => api.batches.list(query, { signal }));
    // Taken for an empty list, a proxy's page would let a batch be created a second time.
    if (!Array.isArray(data)) throw notTheApi('GET /batches');
    let fresh = 0;
    for (const batch of data) {
      if (seen.has(batch.id)) continue; // some proxies repeat pages for ever (litellm#37150)
      seen.add(batch.id);
      fresh += 1;
      if (visit(batch) === 'stop') return;
    }
    const more: unknown = has_more; // some servers leave it out: then the first empty page ends the list
    if (fresh === 0 || more === false) return;
    after = data.at(-1)!.id;
  }
  throw ApplicationFailure.create({
    type: FailureType.ApiTrouble,
    message: `GET /batches: no end after ${MAX_PAGES} pages`,
  });
}

/**
 * The oldest batch that carries this shard's key, or null.
 * Servers that drop metadata are searched by the input file, which belongs to this shard alone.
 */
export async function findBatch(
  api: OpenAI,
  signal: AbortSignal,
  wanted: { key: string; fileIds: readonly string[]; notBefore: number; known: readonly string[] },
): Promise<OpenAI.Batch | null> {
  let found: OpenAI.Batch | null = null;
  await sweepBatches(api, signal, (batch) => {
    if (batch.created_at > 0 && batch.created_at < wanted.notBefore / 1_000 - CLOCK_MARGIN_S) return 'stop';
    const key = batch.metadata?.[SHARD_KEY];
    const ours = key === undefined ? wanted.fileIds.includes(batch.input_file_id) : key === wanted.key;
    if (ours && !wanted.known.includes(batch.id)) found = batch; // newest first: the last one met is the oldest
    return 'go on';
  });
  return found;
}
