import { expect, test } from 'vitest';
import { sumShards } from '../../../../src/activities/report/sum-shards.ts';
import { reportBatch, reportShard } from '../../../support/report-data.ts';

const twice = { answers: 2, inputTokens: 100, cachedTokens: 0, outputTokens: 10 };

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
