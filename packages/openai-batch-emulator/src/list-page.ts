import { ApiError, assertInteger } from './api-error.ts';
import type { CallFault } from './faults/call-fault.ts';

/** One page of a list, in the form of the API. */
export interface ListPage<T> {
  object: 'list';
  data: T[];
  first_id: string | null;
  last_id: string | null;
  has_more?: boolean;
}

export interface ListLimits {
  defaultLimit: number;
  maxLimit: number;
}

/** Returns the page that `limit` and `after` select; only its records are converted. */
export function listPage<R extends { id: string }, T>(
  records: readonly R[],
  query: Readonly<Record<string, string | undefined>>,
  limits: ListLimits,
  faults: readonly CallFault[],
  toObject: (record: R) => T,
): ListPage<T> {
  const limit = query['limit'] === undefined ? limits.defaultLimit : Number(query['limit']);
  assertInteger('limit', limit, 1, limits.maxLimit);
  const repeats = faults.some((fault) => fault.kind === 'repeated_page');
  const start = repeats ? 0 : startAfter(records, query['after']);
  let page = records.slice(start, start + limit);
  let hasMore = repeats || start + limit < records.length;
  if (faults.some((fault) => fault.kind === 'endless_paging') && records.length > 0) {
    if (page.length === 0) page = records.slice(0, limit);
    hasMore = true;
  }
  return {
    object: 'list',
    data: page.map(toObject),
    first_id: page[0]?.id ?? null,
    last_id: page.at(-1)?.id ?? null,
    ...(faults.some((fault) => fault.kind === 'no_has_more') ? {} : { has_more: hasMore }),
  };
}

function startAfter(records: readonly { id: string }[], after: string | undefined): number {
  if (after === undefined || after === '') return 0;
  const at = records.findIndex((record) => record.id === after);
  if (at < 0) throw new ApiError(404, `No object found with id '${after}'.`, { param: 'after' });
  return at + 1;
}
