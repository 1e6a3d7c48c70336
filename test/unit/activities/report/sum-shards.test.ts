import { expect, test } from 'vitest';
import { sumShards } from '../../../../src/activities/report/sum-shards.ts';
import { reportBatch, reportShard } from '../../../support/report-data.ts';

const twice = { answers: 2, inputTokens: 100, cachedTokens: 0, outputTokens: 10 };

test('costs are summed by model and round, with answers that were paid twice, and their sources are named', () => {
  const own = {
    model: 'mine',
    inputTokens: 5,
    outputTokens: 1,
    cost: '4000',
    batchCost: '3000',
    priceSource: 'price file',
  };
  const twice = {
    answers: 1,
    inputTokens: 5,
    cachedTokens: 0,
    outputTokens: 1,
    cost: '4000',
    batchCost: '3000',
  };
  const { costs, batchUsd, listUsd, priceSources, duplicates } = sumShards(
    [
      reportShard(1, 0, own),
      reportShard(1, 1, { cost: '2000', priceSource: 'list' }),
      reportShard(2, 0, { ...own, twice }),
      reportShard(2, 1, { ...own }),
    ],
    [{ shard: 'r1-00002', batches: 1, late: { ...twice, cost: '6000', batchCost: '6000' } }],
  );
  expect(costs).toMatchObject([
    { model: 'gpt-5-mini', round: 1, inputTokens: 10_005, costUsd: 7e-9, costUsdWithoutBatch: 8e-9 },
    { model: 'mine', round: 1, inputTokens: 5, costUsd: 3e-9, costUsdWithoutBatch: 4e-9 },
    { model: 'mine', round: 2, inputTokens: 15, outputTokens: 3, costUsd: 9e-9, costUsdWithoutBatch: 1.2e-8 },
  ]);
  expect({ batchUsd, listUsd, priceSources }).toEqual({
    batchUsd: 1.9e-8,
    listUsd: 2.4e-8,
    priceSources: ['price file', 'list'],
  });
  expect(duplicates.cost_usd).toBe(9e-9);
});

test('lines count once for a model, tokens in every round', () => {
  const { models, ...sums } = sumShards(
    [
      reportShard(1, 0, { answered: 90, again: 10 }),
      reportShard(1, 1, { model: 'gpt-4o-mini', lines: 300, answered: 299, failed: 1 }),
      reportShard(2, 0, { lines: 10, answered: 10, batches: [reportBatch(0), reportBatch(1)] }),
    ],
    [],
  );
  expect(sums).toMatchObject({ answered: 399, failed: 1, cancelled: 0, batches: 4, inputTokens: 30_000 });
  expect(models.map(({ model, lines, inputTokens }) => [model, lines, inputTokens])).toEqual([
    ['gpt-4o-mini', 300, 10_000],
    ['gpt-5-mini', 100, 20_000],
  ]);
  expect(sums.batchUsd).toBeCloseTo(models[0]!.batchUsd! + models[1]!.batchUsd!, 9);
  expect(sums.listUsd).toBeCloseTo(2 * sums.batchUsd!, 12);
});

test('one model without a price makes the sum unknown, and no other model', () => {
  const { batchUsd, models } = sumShards([reportShard(1, 0), reportShard(1, 1, { model: 'mine' })], []);
  expect(batchUsd).toBeNull();
  expect(models.map((model) => model.batchUsd === null)).toEqual([false, true]);
});

test('what was paid twice is part of the sums', () => {
  const once = sumShards([reportShard(1, 0)], []);
  const { duplicates, inputTokens, batchUsd } = sumShards(
    [reportShard(1, 0, { twice })],
    [{ shard: 'r1-00001', batches: 2, late: twice }],
  );
  expect(duplicates).toMatchObject({ batches: 2, answers: 4, input_tokens: 200, output_tokens: 20 });
  expect(inputTokens).toBe(once.inputTokens + 200);
  expect(batchUsd).toBeCloseTo(once.batchUsd! + duplicates.cost_usd!, 12);
});

test('codes that are property names of `Object.prototype` are counted like others', () => {
  const errors = JSON.parse('{"constructor":2,"__proto__":1}') as Record<string, number>;
  const { errors: sum } = sumShards([reportShard(1, 0, { errors }), reportShard(1, 1, { errors })], []);
  expect(Object.entries(sum)).toEqual([
    ['constructor', 4],
    ['__proto__', 2],
  ]);
});

test('sums are exact, without rounding errors', () => {
  const costs = ['104793416667', '209586833333', '1'];
  const shards = costs.map((cost, i) => reportShard(1, i, { cost }));
  expect(sumShards(shards, [])).toMatchObject({ batchUsd: 0.157190125, listUsd: 0.31438025, notes: [] });
});

test('a cost that cannot be computed is unknown, a note says so, and tokens are counted', () => {
  const sums = sumShards(
    [reportShard(1, 0, { cost: '5' }), reportShard(1, 1, { cost: null, unpriced: 3 })],
    [],
  );
  expect(sums).toMatchObject({ batchUsd: null, listUsd: null, inputTokens: 20_000 });
  expect(sums.notes).toEqual([expect.stringContaining('3 paid rows')]);
});

test('shards that an earlier version settled keep their figures, and a note says so', () => {
  const { batchUsd, notes } = sumShards([reportShard(1, 0), reportShard(1, 1, { cost: '0' })], []);
  expect(batchUsd).toBe(0.00425); // 10,000 tokens in at 0.25, 3,000 out at 2 USD a million, halved
  expect(notes).toEqual([expect.stringContaining('1 shard that an earlier version settled')]);
  expect(sumShards([reportShard(1, 0, { cost: '0' })], []).notes).toEqual([]);
});
