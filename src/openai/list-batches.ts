import type OpenAI from 'openai';
import { toApiBatch, type ApiBatch } from './api-batch.ts';
import { apiTrouble, callApi, notTheApi } from './failure.ts';

/** Entries on one page of a list. Spec. */
export const MAX_LIST_PAGE = 100;

/** At 2,000 creations an hour (guide, "Rate limits") this is more than two days of an account's batches. */
const MAX_PAGES = 1_000;

/** How long a list may take where something else can be done without it. */
export interface ListLimits {
  /** For one page, in ms. @default that of the SDK */
  readonly pageMs?: number;
  /** When no further page is asked for, by `performance.now()`. @default never */
  readonly until?: number;
}

/** Visits one page after another of the account's batches, newest first, until `stop` is returned, or the list ends or repeats itself. */
export async function visitBatches(
  client: OpenAI,
  visit: (batch: ApiBatch) => 'go on' | 'stop',
  signal: AbortSignal,
  { pageMs, until = Number.POSITIVE_INFINITY }: ListLimits = {},
): Promise<void> {
  const seen = new Set<string>();
  let after: string | undefined;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    if (performance.now() > until) throw apiTrouble(`GET /batches: no end in time, after ${page} pages`);
    const query = { limit: MAX_LIST_PAGE, ...(after === undefined ? {} : { after }) };
    const { data, more } = await listPage(client, query, {
      signal,
      ...(pageMs === undefined ? {} : { timeout: pageMs }),
    });
    let fresh = 0;
    for (const batch of data) {
      if (seen.has(batch.id)) continue; // some proxies repeat pages for ever (litellm#37150)
      seen.add(batch.id);
      fresh += 1;
      if (visit(toApiBatch(batch)) === 'stop') return;
    }
    // Some servers leave it out: then the first empty page ends the list.
    if (fresh === 0 || more === false) return;
    after = data.at(-1)!.id;
  }
  throw apiTrouble(`GET /batches: no end after ${MAX_PAGES} pages`);
}

/** A page as the server sent it: the SDK's own would take a proxy's "fine" for an empty list, and a batch would not be found. */
async function listPage(
  client: OpenAI,
  query: Record<string, unknown>,
  options: { signal: AbortSignal; timeout?: number },
): Promise<{ data: readonly OpenAI.Batch[]; more: unknown }> {
  const body = await callApi('GET /batches', () => client.get<unknown>('/batches', { query, ...options }));
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
