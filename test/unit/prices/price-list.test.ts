import { findProvider } from '@pydantic/genai-prices';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { GivenPrices } from '../../../src/core/given-prices.ts';
import { priceOf } from '../../../src/core/token-cost.ts';
import { PUBLISHED } from '../../../src/prices/published-prices.ts';
import { amountPaid, priceList, promptAmount } from '../../../src/prices/price-list.ts';

const { ratesOf } = priceList(undefined);

const nothing = { input: 0, cached: 0, output: 0 };

test.each<[model: string, tokens: object, batchUsd: number]>([
  ['gpt-4o-mini', { input: 1_000, output: 100 }, 0.000105],
  ['gpt-5.4', { input: 1_000, output: 200 }, 0.00275],
  ['gpt-5.4', { input: 271_999, output: 0 }, 0.33999875],
  ['gpt-5.4', { input: 300_000, output: 1_000 }, 0.76125],
  ['gpt-5.6-sol', { input: 1_000, cached: 100, cacheWrite: 400, output: 0 }, 0.00202],
  ['gpt-4o-mini', { input: 1_000, cacheWrite: 1_000 }, 0.00009375],
  ['gpt-image-1', { input: 1_000, imageInput: 1_000 }, 0.005],
  ['gpt-audio', { input: 1_000, audioInput: 500, output: 100, audioOutput: 100 }, 0.011825],
  ['text-embedding-3-small', { input: 1_000 }, 0.00001],
])('one prompt of %s with %o costs %d', (model, tokens, batchUsd) => {
  const price = priceOf(promptAmount(ratesOf(model), { ...nothing, ...tokens }));
  expect(price?.batchUsd).toBe(batchUsd);
  expect(price?.listUsd).toBeCloseTo(2 * batchUsd, 9);
});

test.each<[title: string, model: string, tokens: object]>([
  ['a model that is not in the list', 'my-model', { input: 1 }],
  ['a model that is not paid by tokens', 'whisper-1', { input: 1 }],
  ['the name of a property of every object', '__proto__', { input: 1 }],
  ['no name', '', { input: 1 }],
  ['more cached tokens than tokens', 'gpt-4o-mini', { input: 12, cached: 1_024 }],
  ['a negative count', 'gpt-4o-mini', { input: -1 }],
  ['a fraction', 'gpt-4o-mini', { input: 1.5 }],
  ['no number', 'gpt-4o-mini', { input: Number.NaN }],
  ['text', 'gpt-4o-mini', { input: 'many' }],
])('the price of %s is not known', (_, model, tokens) => {
  expect(priceOf(promptAmount(ratesOf(model), { ...nothing, ...tokens }))).toBeNull();
});

test('an outcome of an earlier version has the price of the sum of its tokens', () => {
  const old = { inputTokens: 1_000, cachedTokens: 0, outputTokens: 100 };
  expect(amountPaid('gpt-4o-mini', old)).toEqual({ cost: '210000000' });
  expect(amountPaid('gpt-4o-mini', { ...old, cost: '7' })).toEqual({ cost: '7' });
  expect(amountPaid('gpt-4o-mini', { ...old, cost: '7', batchCost: '5' })).toEqual({
    cost: '7',
    batchCost: '5',
  });
  expect(amountPaid('gpt-4o-mini', { ...old, cost: null })).toEqual({ cost: null });
  expect(amountPaid('gpt-4o-mini', { ...old, cachedTokens: 2_000 })).toEqual({ cost: null });
});

test('a model without tiers has one', () => {
  expect(ratesOf('gpt-4.1')).toMatchObject({
    tierStarts: [],
    tiers: [{ input: 2_000_000, output: 8_000_000 }],
  });
  expect(ratesOf('gpt-5.4')!.tiers).toHaveLength(2);
});

test('prices that were given replace the published ones of their models, and the others stay', () => {
  const given = {
    date: '2026-11-01',
    models: {
      'gpt-4.1': { input: 3, output: 12 },
      'my-model': {
        input: 2,
        cached: 0.5,
        output: 8,
        batch: { cached: 0.5, output: 3 },
        tiers: [{ above: 1_000, input: 4, output: 16, batch: { input: 3 } }],
      },
    },
  };
  const list = priceList(given);
  expect(list.ratesOf('gpt-5.4')).toEqual(ratesOf('gpt-5.4'));
  const changed = list.ratesOf('gpt-4.1')!;
  expect(changed).toMatchObject({
    tiers: [{ input: 3_000_000, output: 12_000_000 }],
    source: 'price file of 2026-11-01',
  });
  expect(changed).not.toHaveProperty('batchTiers');
  const mine = list.ratesOf('my-model')!;
  expect(mine.tierStarts).toEqual([1_000]);
  // A kind without a price of its own has that of the kind that contains it, also in batches.
  expect(mine.tiers[0]).toMatchObject({
    input: 2_000_000,
    imageInput: 2_000_000,
    cachedImage: 500_000,
    cacheWrite: 2_500_000,
  });
  expect(mine.batchTiers).toMatchObject([
    {
      input: 1_000_000,
      imageInput: 1_000_000,
      cached: 500_000,
      cachedAudio: 500_000,
      output: 3_000_000,
      audioOutput: 3_000_000,
    },
    { input: 3_000_000, cached: 3_000_000, cacheWrite: 3_750_000, output: 8_000_000 },
  ]);
  expect(priceOf(promptAmount(mine, { input: 1_000, cached: 1_000, output: 100 }))).toEqual({
    batchUsd: 0.0008,
    listUsd: 0.0013,
  });
  expect(list.ratesOf('constructor')).toBeNull();
  expect(priceList({} as GivenPrices).ratesOf('gpt-5.4')).toBeNull(); // as another version may write them
});

test('every published price and half of it is a whole number of units, and the release is the installed one', () => {
  const { optionalDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    optionalDependencies: Record<string, string>;
  };
  expect(optionalDependencies['@pydantic/genai-prices']).toBe(PUBLISHED.version);
  const models = findProvider({ providerId: 'openai' })!.models;
  expect(models.length).toBeGreaterThan(50);
  const prices = models
    .flatMap(({ prices }) => [prices].flat())
    .flatMap((entry) => Object.entries('prices' in entry ? entry.prices! : entry));
  const ofTokens = prices.filter(([key]) => key.endsWith('_mtok'));
  const values = ofTokens.flatMap(([, price]) =>
    typeof price === 'object'
      ? [price.base, ...price.tiers.map((tier: { price: number }) => tier.price)]
      : [price],
  ) as number[];
  expect(values.filter((usd) => Number(usd.toFixed(5)) !== usd)).toEqual([]);
});
