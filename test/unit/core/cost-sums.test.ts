import { expect, test } from 'vitest';
import {
  addToCosts,
  COSTS_SHOWN,
  fromRoundCosts,
  toRoundCosts,
  type CostSum,
} from '../../../src/core/cost-sums.ts';

const sum = (
  model: string | null,
  round: number | null,
  cost: string | null,
  more: Partial<CostSum> = {},
): CostSum => ({
  model,
  round,
  inputTokens: 10,
  cachedTokens: 1,
  outputTokens: 2,
  cost,
  ...more,
});

test('costs are added up by model and round, exactly, and shown in their order', () => {
  const sums: CostSum[] = [];
  addToCosts(sums, sum('b', 2, '300000001'));
  addToCosts(sums, sum('b', 1, '5'));
  addToCosts(sums, sum('a', 1, null));
  for (let i = 0; i < 999; i += 1) addToCosts(sums, sum('b', 2, '300000001', { batchCost: '250000000' }));
  addToCosts(sums, sum('c', 1, '0', { inputTokens: 0, outputTokens: 0 })); // nothing was paid
  addToCosts(sums, sum(null, null, '2000'));
  expect(toRoundCosts(sums)).toEqual([
    {
      model: 'a',
      round: 1,
      inputTokens: 10,
      cachedTokens: 1,
      outputTokens: 2,
      costUsd: null,
      costUsdWithoutBatch: null,
    },
    {
      model: 'b',
      round: 1,
      inputTokens: 10,
      cachedTokens: 1,
      outputTokens: 2,
      costUsd: 0,
      costUsdWithoutBatch: 0,
    },
    {
      model: 'b',
      round: 2,
      inputTokens: 10_000,
      cachedTokens: 1_000,
      outputTokens: 2_000,
      costUsd: 0.2499, // 999 times 0.00025 and once 0.0001500000005
      costUsdWithoutBatch: 0.300000001,
    },
    {
      model: null,
      round: null,
      inputTokens: 10,
      cachedTokens: 1,
      outputTokens: 2,
      costUsd: 1e-9,
      costUsdWithoutBatch: 2e-9,
    },
  ]);
});

test('a job with more models and rounds has one sum of all others, and nothing is lost', () => {
  const sums: CostSum[] = [];
  for (let i = 0; i < 200; i += 1) addToCosts(sums, sum(`m${i}`, 1 + (i % 3), '1000000'));
  const shown = toRoundCosts(sums);
  expect(shown).toHaveLength(COSTS_SHOWN);
  expect(shown.at(-1)).toMatchObject({ model: null, round: null, inputTokens: 10 * (200 - COSTS_SHOWN + 1) });
  expect(shown.reduce((total, { inputTokens }) => total + inputTokens, 0)).toBe(2_000);
});

test('sums that continue from displayed ones are displayed as they were', () => {
  const shown = toRoundCosts([
    sum('a', 1, '3000'),
    sum('b', 1, '123456789000', { batchCost: '98765432000' }),
    sum('c', 2, null),
  ]);
  expect(toRoundCosts(fromRoundCosts(shown))).toEqual(shown);
});
