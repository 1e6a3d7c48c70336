/**
 * The cost of a shard, compared with a sum over its rows in integers. The rates are constants here, in units of 10^-12 USD a
 * token at list price, from OpenAI's price pages (read 25 Nov 2026), and are not computed by the product.
 */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { assertPrices } from '../../src/prices/price-schema.ts';
import { priceList } from '../../src/prices/price-list.ts';
import { publishedRates } from '../../src/prices/published-prices.ts';
import { sumShards } from '../../src/activities/report/sum-shards.ts';
import { priceOf } from '../../src/core/token-cost.ts';
import { outputRow, plan, requestLine, settle } from '../support/file-job.ts';
import { reportShard } from '../support/report-data.ts';
import { TempFolder } from '../support/temp-folder.ts';

interface Rates {
  readonly input: bigint;
  readonly cached: bigint;
  readonly write: bigint;
  readonly image: bigint;
  readonly cachedImage: bigint;
  readonly output: bigint;
}

const flat = (input: bigint, cached: bigint, output: bigint, write = (input * 5n) / 4n): Rates => ({
  input,
  cached,
  write,
  image: input,
  cachedImage: cached,
  output,
});

/** Rates up to 272,000 tokens of one prompt, and above. */
const models: Record<string, readonly [below: Rates, above: Rates]> = {
  'gpt-5.4': [flat(2_500_000n, 250_000n, 15_000_000n), flat(5_000_000n, 500_000n, 22_500_000n)],
  'gpt-5.6-sol': [flat(4_000_000n, 400_000n, 20_000_000n), flat(8_000_000n, 800_000n, 30_000_000n)],
  'gpt-6-astra': [flat(10_000_000n, 1_000_000n, 50_000_000n), flat(20_000_000n, 2_000_000n, 75_000_000n)],
  'gpt-6-luna': [flat(100_000n, 10_000n, 500_000n), flat(200_000n, 20_000n, 750_000n)],
  'gpt-4o-mini': [flat(150_000n, 75_000n, 600_000n), flat(150_000n, 75_000n, 600_000n)],
  'gpt-image-1': [
    { ...flat(5_000_000n, 1_250_000n, 40_000_000n), image: 10_000_000n, cachedImage: 2_500_000n },
    { ...flat(5_000_000n, 1_250_000n, 40_000_000n), image: 10_000_000n, cachedImage: 2_500_000n },
  ],
};
const LONG_PROMPT = 272_000;

/** One answer's tokens, as disjoint parts. */
interface Usage {
  readonly text: number;
  readonly cached: number;
  readonly write: number;
  readonly image: number;
  readonly cachedImage: number;
  readonly output: number;
}

const usage: fc.Arbitrary<Usage> = fc
  .record({
    text: fc.oneof(
      fc.nat(5_000),
      fc.integer({ min: 270_000, max: 280_000 }).filter((n) => n !== 272_000),
    ),
    cached: fc.nat(2_000),
    write: fc.oneof(fc.constant(0), fc.nat(2_000)),
    image: fc.oneof(fc.constant(0), fc.nat(2_000)),
    cachedImage: fc.oneof(fc.constant(0), fc.nat(500)),
    output: fc.nat(10_000),
  })
  // Price lists differ on whether a prompt of exactly 272,000 tokens is a long one.
  .filter((parts) => inputOf(parts) !== LONG_PROMPT);

const row = fc.record({
  usage,
  /** The outcome of the row: a repeated row was paid once, and a failed response was paid, too. */
  fate: fc.constantFrom('answer', 'answer', 'answer', 'twice', 'responses', 'failed'),
});

function inputOf({ text, cached, write, image, cachedImage }: Omit<Usage, 'output'>): number {
  return text + cached + write + image + cachedImage;
}

function costOf(parts: Usage, [below, above]: readonly [Rates, Rates]): bigint {
  const rates = inputOf(parts) > LONG_PROMPT ? above : below;
  return (
    BigInt(parts.text) * rates.input +
    BigInt(parts.cached) * rates.cached +
    BigInt(parts.write) * rates.write +
    BigInt(parts.image) * rates.image +
    BigInt(parts.cachedImage) * rates.cachedImage +
    BigInt(parts.output) * rates.output
  );
}

function rowsOf(line: number, { usage: parts, fate }: { usage: Usage; fate: string }): string {
  const details = {
    cached_tokens: parts.cached + parts.cachedImage,
    cache_write_tokens: parts.write,
    image_tokens: parts.image + parts.cachedImage,
    cached_tokens_details: { image_tokens: parts.cachedImage },
  };
  const chat = {
    prompt_tokens: inputOf(parts),
    completion_tokens: parts.output,
    prompt_tokens_details: details,
  };
  const responses = {
    input_tokens: inputOf(parts),
    output_tokens: parts.output,
    input_tokens_details: details,
  };
  if (fate === 'responses')
    return outputRow(line, { object: 'response', status: 'completed', usage: responses });
  if (fate === 'failed') return outputRow(line, { object: 'response', status: 'failed', usage: responses });
  return outputRow(line, { usage: chat }).repeat(fate === 'twice' ? 2 : 1);
}

/** Formats an amount in 10^-12 USD: nine decimals, rounded half up. */
function shown(pico: bigint, divisor: bigint): number {
  const nano = (pico * 2n + 1_000n * divisor) / (2_000n * divisor);
  return Number(nano) / 1e9;
}

test('a job costs exactly the sum of its rows, each priced by itself', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...Object.keys(models)),
      fc.array(fc.array(row, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 3 }),
      (model, shards) => {
        let expected = 0n;
        const entries = shards.map((rows, index) => {
          using folder = new TempFolder();
          plan(folder.path, rows.map((_, i) => requestLine(`${i}`)).join('\n'));
          const output = rows.map((each, i) => rowsOf(i + 1, each)).join('');
          const outcome = settle(folder.path, 'r1-00001', { output }, { rates: publishedRates(model) })!;
          let own = 0n;
          for (const each of rows) own += costOf(each.usage, models[model]!); // a row that is written twice was run once
          expected += own;
          const { inputTokens, cachedTokens, outputTokens, cost, twice } = outcome;
          const read = BigInt(cost!) + BigInt(twice?.cost ?? 0);
          expect(read).toBe(own);
          return reportShard(1, index, {
            model,
            inputTokens,
            cachedTokens,
            outputTokens,
            cost: cost!,
            twice: twice ?? null,
          });
        });
        const { batchUsd, listUsd, notes } = sumShards(entries, []);
        expect(listUsd).toBe(shown(expected, 1n));
        expect(batchUsd).toBe(shown(expected, 2n));
        expect(JSON.stringify(batchUsd)).toMatch(/^(?:\d+(?:\.\d{1,9})?|\d(?:\.\d)?e-[789])$/);
        expect(notes).toEqual([]);
      },
    ),
    { numRuns: 200 },
  );
});

/** The prices of one tier, in 10^-5 USD per million tokens: each is a whole number of 10^-11 USD a token. */
const kinds = [
  'input',
  'cached',
  'cacheWrite',
  'imageInput',
  'cachedImage',
  'audioInput',
  'cachedAudio',
  'output',
  'reasoning',
  'imageOutput',
  'audioOutput',
] as const;
type Prices = Record<(typeof kinds)[number], number>;
const price = fc.oneof(fc.integer({ min: 0, max: 100_000_000_000 }), fc.nat(3_000_000));
const prices: fc.Arbitrary<Prices> = fc.record(
  Object.fromEntries(kinds.map((kind) => [kind, price])) as Record<keyof Prices, fc.Arbitrary<number>>,
);
const inUsd = (of: Prices): Prices =>
  Object.fromEntries(Object.entries(of).map(([kind, units]) => [kind, units / 1e5])) as Prices;

/** Disjoint parts of one answer. */
const parts = fc.record(
  Object.fromEntries(kinds.map((kind) => [kind, fc.oneof(fc.constant(0), fc.nat(3_000))])) as Record<
    keyof Prices,
    fc.Arbitrary<number>
  >,
);

function usageOf(each: Prices): object {
  const image = each.imageInput + each.cachedImage;
  const audio = each.audioInput + each.cachedAudio;
  return {
    input_tokens: each.input + each.cached + each.cacheWrite + image + audio,
    output_tokens: each.output + each.reasoning + each.imageOutput + each.audioOutput,
    input_tokens_details: {
      cached_tokens: each.cached + each.cachedImage + each.cachedAudio,
      cache_write_tokens: each.cacheWrite,
      image_tokens: image,
      audio_tokens: audio,
      cached_tokens_details: { image_tokens: each.cachedImage, audio_tokens: each.cachedAudio },
    },
    output_tokens_details: {
      reasoning_tokens: each.reasoning,
      image_tokens: each.imageOutput,
      audio_tokens: each.audioOutput,
    },
  };
}

test('with prices of a file, a job costs exactly the sum of its rows, at list price and at batch prices', () => {
  fc.assert(
    fc.property(
      fc.tuple(prices, prices, fc.option(prices), fc.option(prices)),
      fc.integer({ min: 1, max: 8_000 }),
      fc.array(parts, { minLength: 1, maxLength: 8 }),
      fc.boolean(),
      ([below, above, batchBelow, batchAbove], start, rows, isMixed) => {
        using folder = new TempFolder();
        const given = {
          models: {
            m: {
              ...inUsd(below),
              ...(batchBelow === null ? {} : { batch: inUsd(batchBelow) }),
              tiers: [
                {
                  above: start,
                  ...inUsd(above),
                  ...(batchAbove === null ? {} : { batch: inUsd(batchAbove) }),
                },
              ],
            },
          },
        };
        assertPrices(given);
        plan(folder.path, rows.map((_, i) => requestLine(`${i}`)).join('\n'));
        const output = rows.map((each, i) => outputRow(i + 1, { usage: usageOf(each) })).join('');
        const outcome = settle(
          folder.path,
          'r1-00001',
          { output },
          { rates: priceList(given).ratesOf('m') },
        )!;
        // In 10^-11 USD; half of it in 10^-12 USD is five times as many.
        let list = 0n;
        let batch = 0n;
        for (const each of rows) {
          const isLong = usageOf(each)['input_tokens' as never] > start;
          const [listed, own] = isLong ? [above, batchAbove] : [below, batchBelow];
          for (const kind of kinds) {
            const tokens = BigInt(each[kind]);
            list += tokens * BigInt(listed[kind]) * 10n;
            batch += tokens * (own === null ? BigInt(listed[kind]) * 5n : BigInt(own[kind]) * 10n);
          }
        }
        expect(BigInt(outcome.cost!)).toBe(list);
        expect(outcome.batchCost === undefined ? BigInt(outcome.cost!) / 2n : BigInt(outcome.batchCost)).toBe(
          batch,
        );
        // A published price beside it: one sum is half of its list price, the other is not.
        const other = isMixed
          ? [reportShard(2, 0, { model: 'gpt-4o-mini', inputTokens: 7, outputTokens: 0 })]
          : [];
        const { rows: _, ...amounts } = outcome;
        const { batchUsd, listUsd } = sumShards(
          [reportShard(1, 0, { ...amounts, model: 'm', again: 0 }), ...other],
          [],
        );
        const more = isMixed ? 7n * 150_000n : 0n;
        expect(listUsd).toBe(shown(list + more, 1n));
        expect(batchUsd).toBe(shown(batch + more / 2n, 1n));
      },
    ),
    { numRuns: 300 },
  );
});

test('amounts are shown with at most nine decimals', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 10n ** 18n }), (pico) => {
      const { batchUsd, listUsd } = priceOf({ cost: String(pico) })!;
      expect([batchUsd, listUsd]).toEqual([shown(pico, 2n), shown(pico, 1n)]);
      for (const usd of [batchUsd, listUsd]) expect(Number(usd.toFixed(9))).toBe(usd);
    }),
  );
});
