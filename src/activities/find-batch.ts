import type OpenAI from 'openai';
import { MAX_LIST_PAGE } from '../core/limits.ts';
import { apiTrouble, callApi, isFinal, isNotFound, notTheApi, toFailure } from '../openai/failure.ts';

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

/** How long a list may take where something else can be done without it. */
export interface ListPatience {
  /** For one page, in ms. @default that of the SDK */
  readonly pageMs?: number;
  /** When no further page is asked for, by `performance.now()`. @default never */
  readonly until?: number;
}

/**
 * Visits one page after another of the account's batches, newest first, until `stop` is returned, or the list ends or repeats
 * itself.
 */
export async function sweepBatches(
  api: OpenAI,
  signal: AbortSignal,
  visit: (batch: OpenAI.Batch) => 'go on' | 'stop',
  { pageMs, until = Number.POSITIVE_INFINITY }: ListPatience = {},
): Promise<void> {
  const seen = new Set<string>();
  let after: string | undefined;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    if (performance.now() > until) throw apiTrouble(`GET /batches: no end in time, after ${page} pages`);
    const query = { limit: MAX_LIST_PAGE, ...(after === undefined ? {} : { after }) };
    const { data, more } = await listPage(api, query, {
      signal,
      ...(pageMs === undefined ? {} : { timeout: pageMs }),
    });
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
  options: { signal: AbortSignal; timeout?: number },
): Promise<{ data: readonly OpenAI.Batch[]; more: unknown }> {
  const body = await callApi('GET /batches', () => api.get<unknown>('/batches', { query, ...options }));
  const { data, has_more: more } = (Array.isArray(body) ? { data: body as unknown } : (body ?? {})) as {
    data?: unknown;
    has_more?: unknown;
  };
  if (!Array.isArray(data)) throw notTheApi('GET /batches');
  return { data: data.filter((entry) => isBatch(entry)), more };
}

function isBatch(entry: unknown): entry is OpenAI.Batch {
  return (
    typeof entry === 'object' &&
    entry !== null &&
    typeof (entry as Record<string, unknown>)['id'] === 'string'
  );
}

/**
 * A batch as it is by itself, which is what decides: lists may be stale, or of summaries. Null when the API does not know it.
 * @throws ApplicationFailure when it cannot be read, or is refused
 */
export async function retrieveBatch(
  api: OpenAI,
  batchId: string,
  options: { signal: AbortSignal; timeout?: number },
): Promise<OpenAI.Batch | null> {
  try {
    const batch = await api.batches.retrieve(batchId, options);
    if (batch?.id !== batchId) throw notTheApi('GET /batches/{id}');
    return batch;
  } catch (error) {
    if (isNotFound(error)) return null;
    throw toFailure(error, 'GET /batches/{id}');
  }
}

/**
 * A listed batch as it is by itself; as listed where the API refuses to show it so.
 * @throws ApplicationFailure (try again) when it cannot be read
 */
export async function asRead(
  listed: OpenAI.Batch,
  read: (batchId: string) => Promise<OpenAI.Batch | null>,
): Promise<OpenAI.Batch> {
  try {
    return (await read(listed.id)) ?? listed;
  } catch (error) {
    if (isFinal(error)) return listed;
    throw error;
  }
}

/**
 * The oldest batch that carries this shard's key, or null.
 * Servers that drop metadata are searched by the input file, which belongs to this shard alone; so are batches of version 0.1,
 * which carry the key, but no word of the job's store.
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
  const isOurs = ({ metadata, input_file_id: fileId }: OpenAI.Batch): boolean => {
    const { [SHARD_KEY]: key, [INSTANCE_KEY]: instance } = metadata ?? {};
    if (key !== undefined && key !== wanted.key) return false;
    if (key === undefined || instance === undefined) return wanted.fileIds.includes(fileId);
    return instance === wanted.instance;
  };
  const listed: OpenAI.Batch[] = [];
  await sweepSince(api, signal, wanted.notBefore, (batch) => {
    // A summary that says neither, or the key alone, may be ours.
    const key = batch.metadata?.[SHARD_KEY] ?? (typeof batch.metadata === 'object' ? null : wanted.key);
    const isSummary = typeof batch.input_file_id !== 'string' && key === wanted.key;
    if ((isSummary || isOurs(batch)) && !wanted.known.includes(batch.id)) listed.push(batch);
  });
  const found: OpenAI.Batch[] = [];
  for (const entry of listed) {
    const batch = await asRead(entry, (batchId) => retrieveBatch(api, batchId, { signal }));
    if (isOurs(batch)) found.push(batch);
  }
  return found.reduce<OpenAI.Batch | null>(
    (first, batch) => (first === null || batch.created_at <= first.created_at ? batch : first),
    null,
  );
}

/** Visits the account's batches that were created since a time, in ms by this machine's clock, and some older ones. */
export async function sweepSince(
  api: OpenAI,
  signal: AbortSignal,
  notBefore: number,
  visit: (batch: OpenAI.Batch) => void,
  patience: ListPatience = {},
): Promise<void> {
  const oldest = notBefore / 1_000 - CLOCK_MARGIN_S;
  let seen = 0;
  let before = Number.POSITIVE_INFINITY;
  let newestFirst = true;
  const visits = (batch: OpenAI.Batch): 'go on' | 'stop' => {
    visit(batch);
    const { created_at: at } = batch;
    seen += 1;
    newestFirst &&= at <= before;
    before = at;
    // Not on the first page: its order shows whether what follows is older.
    return at > 0 && at < oldest && newestFirst && seen > MAX_LIST_PAGE ? 'stop' : 'go on';
  };
  await sweepBatches(api, signal, visits, patience);
}
