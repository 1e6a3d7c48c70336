import type OpenAI from 'openai';
import { MAX_LIST_PAGE } from '../core/limits.ts';
import { apiTrouble, callApi, notTheApi } from './openai-failure.ts';

/** The metadata key under which a batch carries the name of the shard it was created for. */
export const SHARD_KEY = 'durable_batch_shard';
/** The metadata key of the job. */
export const JOB_KEY = 'durable_batch_job';
/** The metadata key that tells jobs of one id in several stores apart; see `jobInstance`. */
export const INSTANCE_KEY = 'durable_batch_store';

/** Clocks of the API and of this machine may differ by this much; looking at a day too many costs some pages. */
const CLOCK_MARGIN_S = 86_400;

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
    const { data, more } = await listPage(api, query, signal);
    let fresh = 0;
    for (const batch of data) {
      if (seen.has(batch.id)) continue; // some proxies repeat pages for ever (litellm#37150)
      seen.add(batch.id);
      fresh += 1;
      if (visit(batch) === 'stop') return;
    }
    // Some servers leave it out: then the first empty page ends the list.
    if (fresh === 0 || more === false) return;
    after = data.at(-1)!.id;
  }
  throw apiTrouble(`GET /batches: no end after ${MAX_PAGES} pages`);
}

/** A page as the server sent it: the SDK's own would take a proxy's "fine" for an empty list, and a batch would not be found. */
async function listPage(
  api: OpenAI,
  query: Record<string, unknown>,
  signal: AbortSignal,
): Promise<{ data: readonly OpenAI.Batch[]; more: unknown }> {
  const body = await callApi('GET /batches', () => api.get<unknown>('/batches', { query, signal }));
  if (Array.isArray(body)) return { data: body as OpenAI.Batch[], more: undefined };
  const { data, has_more: more } = (body ?? {}) as { data?: unknown; has_more?: unknown };
  if (Array.isArray(data)) return { data: data as OpenAI.Batch[], more };
  throw notTheApi('GET /batches');
}

/**
 * The oldest batch that carries this shard's key, or null.
 * Servers that drop metadata are searched by the input file, which belongs to this shard alone.
 */
export async function findBatch(
  api: OpenAI,
  signal: AbortSignal,
  wanted: {
    key: string;
    instance: string | null;
    fileIds: readonly string[];
    notBefore: number;
    known: readonly string[];
  },
): Promise<OpenAI.Batch | null> {
  const found: OpenAI.Batch[] = [];
  await sweepSince(api, signal, wanted.notBefore, (batch) => {
    const key = batch.metadata?.[SHARD_KEY];
    const ours =
      key === undefined
        ? wanted.fileIds.includes(batch.input_file_id)
        : key === wanted.key && batch.metadata?.[INSTANCE_KEY] === wanted.instance;
    if (ours && !wanted.known.includes(batch.id)) found.push(batch);
  });
  return found.reduce<OpenAI.Batch | null>(
    (first, batch) => (first === null || batch.created_at <= first.created_at ? batch : first),
    null,
  );
}

/** Visits the account's batches that were created since a moment, in ms by this machine's clock, and some older ones. */
export async function sweepSince(
  api: OpenAI,
  signal: AbortSignal,
  notBefore: number,
  visit: (batch: OpenAI.Batch) => void,
): Promise<void> {
  const oldest = notBefore / 1_000 - CLOCK_MARGIN_S;
  let seen = 0;
  let before = Number.POSITIVE_INFINITY;
  let newestFirst = true;
  await sweepBatches(api, signal, (batch) => {
    visit(batch);
    const { created_at: at } = batch;
    seen += 1;
    newestFirst &&= at <= before;
    before = at;
    // Not on the first page: its order shows whether what follows is older.
    return at > 0 && at < oldest && newestFirst && seen > MAX_LIST_PAGE ? 'stop' : 'go on';
  });
}
