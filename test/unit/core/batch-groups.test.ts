import fc from 'fast-check';
import { expect, test } from 'vitest';
import { batchesOf, groupBatches } from '../../../src/core/batch-groups.ts';
import { shardId } from '../../../src/core/shard-plan.ts';

const statuses = ['created', 'validating', 'in_progress', 'finalizing'] as const;

const batches = fc.uniqueArray(fc.nat(5_000), { maxLength: 200 }).chain((indices) =>
  fc.tuple(
    ...indices.map((index) =>
      fc.record({
        shard: fc.constant(shardId(2, index)),
        batch: fc.integer({ min: 1, max: 3 }),
        status: fc.constantFrom(...statuses),
      }),
    ),
  ),
);

test('grouping batches and listing them again gives the same batches', () => {
  fc.assert(
    fc.property(batches, (given) => {
      const key = (each: { shard: string }): string => each.shard;
      const byShard = (list: readonly { shard: string }[]) =>
        list.toSorted((a, b) => key(a).localeCompare(key(b)));
      expect(byShard([...batchesOf(groupBatches(given))])).toEqual(byShard(given));
    }),
  );
});

test('consecutive shards are one range, in any order of input', () => {
  const group = (indices: readonly number[]) =>
    groupBatches(indices.map((index) => ({ shard: shardId(1, index), batch: 1, status: 'created' })));
  expect(group([])).toEqual([]);
  expect(group([5, 4, 8])).toEqual([{ status: 'created', round: 1, batch: 1, shards: '5x2 3' }]);
  expect(group([0])).toEqual([{ status: 'created', round: 1, batch: 1, shards: '1' }]);
});

test('a thousand batches in flight, every other one settled, take about 2 kB', () => {
  const given = Array.from({ length: 1_000 }, (_, i) => ({
    shard: shardId(1, 2 * i),
    batch: 1,
    status: 'in_progress',
  }));
  expect(JSON.stringify(groupBatches(given)).length).toBeLessThan(2_100);
});
