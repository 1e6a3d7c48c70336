import { expect, test } from 'vitest';
import type { JobReport } from '../../../src/core/progress.ts';
import type { ShardCounts } from '../../../src/activities/index.ts';
import { addShardCost, takeCosts } from '../../../src/workflows/job-cost.ts';
import type { JobSnapshot } from '../../../src/workflows/job-state.ts';

const snapshot = (more: Partial<JobSnapshot>): JobSnapshot =>
  ({ answered: 0, failed: 0, again: 0, ...more }) as JobSnapshot;
const counts = (more: Partial<ShardCounts>): ShardCounts => more as ShardCounts;

test('the sum of a job is exact, and shown with nine decimals', () => {
  const state = snapshot({ costUsd: 0, costUsdWithoutBatch: 0 });
  for (let i = 0; i < 1_000; i += 1) addShardCost(state, counts({ cost: '300000001' }), 1);
  expect(state).toMatchObject({
    cost: '300000001000',
    costUsd: 0.150000001,
    costUsdWithoutBatch: 0.300000001,
  });
});

test('the sums by model and round are those of the job', () => {
  const state = snapshot({ costUsd: 0, costUsdWithoutBatch: 0, inputTokens: 0, outputTokens: 0 });
  const shard = { model: 'm', inputTokens: 7, cachedTokens: 1, outputTokens: 2 };
  addShardCost(state, counts({ ...shard, cost: '2000' }), 1);
  addShardCost(state, counts({ ...shard, cost: '4000', batchCost: '3000' }), 2);
  addShardCost(state, counts({ ...shard, cost: '6000' }), 2);
  expect(state).toMatchObject({
    cost: '12000',
    batchCost: '7000',
    costUsd: 7e-9,
    costs: [
      { model: 'm', round: 1, inputTokens: 7, cost: '2000' },
      {
        model: 'm',
        round: 2,
        inputTokens: 14,
        cachedTokens: 2,
        outputTokens: 4,
        cost: '10000',
        batchCost: '6000',
      },
    ],
  });
});

test('what a run or a worker of an earlier version paid has no model', () => {
  const before = { costUsd: 0.1, costUsdWithoutBatch: 0.2, inputTokens: 50, outputTokens: 5, answered: 1 };
  const state = snapshot(before);
  const shard = { inputTokens: 7, cachedTokens: 1, outputTokens: 2, cost: '2000' };
  addShardCost(state, counts({ ...shard, model: 'm' }), 3);
  addShardCost(state, counts(shard), 3);
  expect(state.costs).toEqual([
    { model: null, round: null, inputTokens: 57, cachedTokens: 1, outputTokens: 7, cost: '200000002000' },
    { ...shard, model: 'm', round: 3 },
  ]);
});

test('another pass continues with the sums of the report', () => {
  const sum = { model: 'm', round: 1, input_tokens: 7, cached_tokens: 1, output_tokens: 2 };
  const report = {
    input_tokens: 7,
    output_tokens: 2,
    cost_usd: 0.3,
    cost_usd_without_batch: 0.5,
    costs: [{ ...sum, cost_usd: 0.3, cost_usd_without_batch: 0.5 }],
  } as unknown as JobReport;
  const state = snapshot({ cost: '1', batchCost: '1' });
  takeCosts(state, report);
  addShardCost(
    state,
    counts({ model: 'm', inputTokens: 1, cachedTokens: 0, outputTokens: 1, cost: '2000' }),
    2,
  );
  expect(state).toMatchObject({ inputTokens: 7, costUsd: 0.300000001, costUsdWithoutBatch: 0.500000002 });
  expect(state.costs).toMatchObject([
    { model: 'm', round: 1, cost: '500000000000', batchCost: '300000000000' },
    { model: 'm', round: 2, cost: '2000' },
  ]);
  takeCosts(state, { ...report, costs: undefined } as unknown as JobReport);
  expect(state).not.toHaveProperty('costs');
  expect(state).not.toHaveProperty('cost');
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
  addShardCost(state, counts(shard), 1);
  expect(state.cost).toBe(cost);
  expect(state.costUsd === null).toBe(cost === null);
});
