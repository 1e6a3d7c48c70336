import { expect, test } from 'vitest';
import { priceOf } from '../../../src/core/token-cost.ts';
import { costOf, costOfPrompt, ratesOf } from '../../../src/openai/price.ts';

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
  const price = priceOf(costOfPrompt(model, { ...nothing, ...tokens }));
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
  expect(priceOf(costOfPrompt(model, { ...nothing, ...tokens }))).toBeNull();
});

test('an outcome of an earlier version has the price of the sum of its tokens', () => {
  const old = { inputTokens: 1_000, cachedTokens: 0, outputTokens: 100 };
  expect(costOf('gpt-4o-mini', old)).toBe('210000000');
  expect(costOf('gpt-4o-mini', { ...old, cost: '7' })).toBe('7');
  expect(costOf('gpt-4o-mini', { ...old, cost: null })).toBeNull();
  expect(costOf('gpt-4o-mini', { ...old, cachedTokens: 2_000 })).toBeNull();
});

test('a model without tiers has one', () => {
  expect(ratesOf('gpt-4.1')).toMatchObject({
    tierStarts: [],
    tiers: [{ input: 2_000_000, output: 8_000_000 }],
  });
  expect(ratesOf('gpt-5.4')!.tiers).toHaveLength(2);
});
