import { calcPrice } from '@pydantic/genai-prices';
import {
  arePlausible,
  noTokens,
  TokenSum,
  type Cost,
  type ModelRates,
  type TokenCounts,
  type TokenRates,
} from '../core/token-cost.ts';

/** Used if the price list has no rate for cache writes. Prompt-caching guide (Nov 2026): 1.25 times the input price. */
const CACHE_WRITE_SHARE = 1.25;

type ListedPrice = NonNullable<ReturnType<typeof calcPrice>>['model_price'];

/** Returns the list prices of a model as integers; null if the price list does not have the model, or has no prices by tokens. */
export function ratesOf(model: string): ModelRates | null {
  try {
    const listed = calcPrice({ input_tokens: 0, output_tokens: 0 }, model, { providerId: 'openai' });
    return listed === null ? null : toRates(listed.model_price);
  } catch {
    return null; // an unknown price never stops a job
  }
}

/** Returns the exact cost of the tokens of one prompt at list price; null if it is not known. */
export function costOfPrompt(model: string, tokens: Partial<TokenCounts>): Cost {
  const counts = { ...noTokens(), ...tokens };
  const isCount = Object.values(counts).every((count) => Number.isSafeInteger(count) && count >= 0);
  if (!isCount || !arePlausible(counts)) return null;
  const rates = ratesOf(model);
  if (rates === null) return null;
  const sum = new TokenSum(rates);
  sum.add(counts);
  return sum.cost();
}

/** The paid tokens of answers. */
export interface PaidTokens {
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  /** Missing in outcomes of version 0.1, which had no sums by tier. */
  readonly cost?: Cost;
}

/** Returns the cost of answers: as computed when they were read, or, for earlier versions, as if their tokens were those of one prompt. */
export function costOf(model: string, paid: PaidTokens): Cost {
  if (paid.cost !== undefined) return paid.cost;
  const { inputTokens: input, cachedTokens: cached, outputTokens: output } = paid;
  return costOfPrompt(model, { input, cached, output });
}

function toRates(listed: ListedPrice): ModelRates | null {
  const keys = Object.keys(listed);
  if (keys.length > 0 && listed['input_mtok'] === undefined && listed['output_mtok'] === undefined)
    return null;
  const starts = new Set<number>();
  for (const price of Object.values(listed))
    if (typeof price === 'object') for (const { start } of price.tiers) starts.add(start);
  const tierStarts = [...starts].sort((a, b) => a - b);
  return { tierStarts, tiers: [-1, ...tierStarts].map((start) => ratesAt(listed, start)) };
}

/** Returns the rates for prompts of more tokens than `start`. A kind without its own rate has the rate of the kind that contains it. */
function ratesAt(listed: ListedPrice, start: number): TokenRates {
  const usd = (key: string): number | undefined => {
    const price = listed[key];
    if (typeof price !== 'object') return price;
    let now = price.base;
    for (const tier of price.tiers) if (start >= tier.start) now = tier.price;
    return now;
  };
  const input = usd('input_mtok') ?? 0;
  const output = usd('output_mtok') ?? 0;
  const cached = usd('cache_read_mtok') ?? input;
  const rates: TokenRates = {
    input,
    cached,
    cacheWrite: usd('cache_write_mtok') ?? input * CACHE_WRITE_SHARE,
    imageInput: usd('input_image_mtok') ?? input,
    cachedImage: usd('cache_image_read_mtok') ?? cached,
    audioInput: usd('input_audio_mtok') ?? input,
    cachedAudio: usd('cache_audio_read_mtok') ?? cached,
    output,
    imageOutput: usd('output_image_mtok') ?? output,
    audioOutput: usd('output_audio_mtok') ?? output,
  };
  return Object.fromEntries(
    Object.entries(rates).map(([kind, usdPerMillion]) => [kind, Math.round(usdPerMillion * 1e6)]),
  ) as unknown as TokenRates;
}
