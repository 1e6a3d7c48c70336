import type { BatchStatus } from './batch-status.ts';
import { shardId, shardIndex, shardRound } from './shard-plan.ts';

/** The last known status of a batch; `created`: not polled yet, `missing`: the API does not know it, or refuses to show it. */
export type KnownStatus = BatchStatus | 'missing' | 'created';

/** A batch of a shard, by the parts of its record's name in the store. */
export interface BatchRef {
  readonly shard: string;
  /** Counts the batches of the shard, from 1. */
  readonly batch: number;
}

/** Batches of one round with the same status and number: a thousand of them take a few bytes of a history. */
export interface BatchGroup<Status = KnownStatus> {
  readonly status: Status;
  readonly round: number;
  readonly batch: number;
  /**
   * Their shards in ascending order, one entry for each range of consecutive shards: its distance from the last shard before it,
   * and its length; `5x2 3` are the shards 5, 6 and 9.
   */
  readonly shards: string;
}

/** Groups batches, each with its status. */
export function groupBatches<Status>(
  batches: Iterable<BatchRef & { readonly status: Status }>,
): BatchGroup<Status>[] {
  const groups = new Map<string, Omit<BatchGroup<Status>, 'shards'> & { readonly indices: number[] }>();
  for (const { shard, batch, status } of batches) {
    const round = shardRound(shard);
    const key = JSON.stringify([status, round, batch]);
    let group = groups.get(key);
    if (group === undefined) groups.set(key, (group = { status, round, batch, indices: [] }));
    group.indices.push(shardIndex(shard));
  }
  return [...groups.values()].map(({ indices, ...group }) => ({ ...group, shards: toRanges(indices) }));
}

/** The batches of groups, each with its status. */
export function* batchesOf<Status>(
  groups: readonly BatchGroup<Status>[],
): Generator<BatchRef & { readonly status: Status }, void, undefined> {
  for (const { status, round, batch, shards } of groups) {
    let last = -1;
    for (const range of shards.split(' ')) {
      const [gap, length = 1] = range.split('x').map(Number) as [number, number?];
      for (let i = 0; i < length; i += 1) {
        last += i === 0 ? gap : 1;
        yield { shard: shardId(round, last), batch, status };
      }
    }
  }
}

function toRanges(indices: readonly number[]): string {
  const ranges: string[] = [];
  let last = -1;
  let length = 0;
  let gap = 0;
  const end = (): void => {
    if (length > 0) ranges.push(length === 1 ? `${gap}` : `${gap}x${length}`);
  };
  for (const index of indices.toSorted((a, b) => a - b)) {
    if (index === last + 1 && length > 0) {
      length += 1;
    } else {
      end();
      gap = index - last;
      length = 1;
    }
    last = index;
  }
  end();
  return ranges.join(' ');
}
