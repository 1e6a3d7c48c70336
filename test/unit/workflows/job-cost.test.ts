import { expect, test } from 'vitest';
import type { ShardCounts } from '../../../src/activities/index.ts';
import { addShardCost } from '../../../src/workflows/job-cost.ts';
import type { JobSnapshot } from '../../../src/workflows/job-state.ts';

const snapshot = (more: Partial<JobSnapshot>): JobSnapshot =>
  ({ answered: 0, failed: 0, again: 0, ...more }) as JobSnapshot;
const counts = (more: Partial<ShardCounts>): ShardCounts => more as ShardCounts;

test('the sum of a job is exact, and shown with nine decimals', () => {
  const state = snapshot({ costUsd: 0, costUsdWithoutBatch: 0 });
  for (let i = 0; i < 1_000; i += 1) addShardCost(state, counts({ cost: '300000001' }));
  expect(state).toMatchObject({
    cost: '300000001000',
    costUsd: 0.150000001,
    costUsdWithoutBatch: 0.300000001,
  });
});

test.each<[title: string, before: Partial<JobSnapshot>, shard: Partial<ShardCounts>, cost: string | null]>([
  ['a run that kept USD', { costUsd: 0.1, costUsdWithoutBatch: 0.2 }, { cost: '1' }, '200000000001'],
  ['a run of version 0.1 that settled shards', { answered: 5 }, { cost: '1' }, null],
  ['a run of version 0.1 that settled none', {}, { cost: '1' }, '1'],
  ['a worker that sends USD', { cost: '5' }, { costUsd: 0.25, costUsdWithoutBatch: 0.5 }, '500000000005'],
  ['a worker of version 0.1', { cost: '5' }, {}, null],
  ['a shard whose cost is not known', { cost: '5' }, { cost: null }, null],
  ['a sum that is not known', { cost: null }, { cost: '5' }, null],
])('continues from %s', (_, before, shard, cost) => {
  const state = snapshot(before);
  addShardCost(state, counts(shard));
  expect(state.cost).toBe(cost);
  expect(state.costUsd === null).toBe(cost === null);
});
