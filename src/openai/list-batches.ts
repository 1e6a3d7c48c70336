import type OpenAI from 'openai';
import { toApiBatch, type ApiBatch } from './api-batch.ts';
import { apiTrouble, callApi, unexpectedResponse } from './failure.ts';

/** Entries on one page of a list. Spec. */
export const MAX_LIST_PAGE = 100;

/** At 2,000 creations an hour (guide, "Rate limits") this is more than two days of an account's batches. */
const MAX_PAGES = 1_000;

/** Time limits for reading the list, for callers that can do without it. */
export interface ListLimits {
  /** Timeout of one page, in ms. @default that of the SDK */
  readonly pageMs?: number;
  /** The deadline for requesting another page, by `performance.now()`. @default none */
  readonly until?: number;
}

/** Calls `visit` for the account's batches, page by page and newest first, until it returns `stop`, or the list ends or repeats itself. */
export async function visitBatches(
  client: OpenAI,
  visit: (batch: ApiBatch) => 'continue' | 'stop',
  signal: AbortSignal,
  { pageMs, until = Number.POSITIVE_INFINITY }: ListLimits = {},
): Promise<void> {
  const visited = new Set<string>();
  let after: string | undefined;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    if (performance.now() > until) throw apiTrouble(`GET /batches: timed out after ${page} pages`);
    const query = { limit: MAX_LIST_PAGE, ...(after === undefined ? {} : { after }) };
    const { data, more } = await listPage(client, query, {
      signal,
      ...(pageMs === undefined ? {} : { timeout: pageMs }),
    });
    let newOnPage = 0;
    for (const batch of data) {
      if (visited.has(batch.id)) continue; // some proxies repeat pages for ever (litellm#37150)
      visited.add(batch.id);
      newOnPage += 1;
      if (visit(toApiBatch(batch)) === 'stop') return;
    }
    // Some servers omit `has_more`: then the first empty page ends the list.
    if (newOnPage === 0 || more === false) return;
    after = data.at(-1)!.id;
  }
  throw apiTrouble(`GET /batches: the list has more than ${MAX_PAGES} pages`);
}

/** Reads a page without the SDK's types: the SDK takes a proxy's success response for an empty list, and a batch would not be found. */
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
  if (!Array.isArray(data)) throw unexpectedResponse('GET /batches');
  return { data: data.filter((entry) => isBatch(entry)), more };
}

function isBatch(entry: unknown): entry is OpenAI.Batch {
  return (
    typeof entry === 'object' &&
    entry !== null &&
    typeof (entry as Record<string, unknown>)['id'] === 'string'
  );
}
