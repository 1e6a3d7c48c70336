import { calcPrice } from '@pydantic/genai-prices';
import type { TokenPrices } from '../core/given-prices.ts';
import type { ModelRates } from '../core/token-cost.ts';
import { toTokenRates } from './token-prices.ts';

/** The release of the price list that package.json names; a test compares both. */
export const PUBLISHED = { version: '0.1.8', date: '2026-09-23' } as const;

type ListedPrice = NonNullable<ReturnType<typeof calcPrice>>['model_price'];

/** The keys of the list. */
const keys = {
  input: 'input_mtok',
  cached: 'cache_read_mtok',
  cacheWrite: 'cache_write_mtok',
  imageInput: 'input_image_mtok',
  cachedImage: 'cache_image_read_mtok',
  audioInput: 'input_audio_mtok',
  cachedAudio: 'cache_audio_read_mtok',
  output: 'output_mtok',
  reasoning: 'output_reasoning_mtok',
  imageOutput: 'output_image_mtok',
  audioOutput: 'output_audio_mtok',
} as const satisfies Record<keyof TokenPrices, string>;

/**
 * Returns the published prices of a model; null if the list does not have the model, or has no prices by tokens. The package may throw for odd
 * names.
 */
export function publishedRates(model: string): ModelRates | null {
  const listed = calcPrice({ input_tokens: 0, output_tokens: 0 }, model, { providerId: 'openai' });
  return listed === null ? null : toRates(listed.model_price);
}

function toRates(listed: ListedPrice): ModelRates | null {
  const names = Object.keys(listed);
  if (names.length > 0 && listed[keys.input] === undefined && listed[keys.output] === undefined) return null;
  const starts = new Set<number>();
  for (const price of Object.values(listed))
    if (typeof price === 'object') for (const { start } of price.tiers) starts.add(start);
  const tierStarts = [...starts].sort((a, b) => a - b);
  return {
    tierStarts,
    tiers: [-1, ...tierStarts].map((start) => toTokenRates(pricesAt(listed, start))),
    source: `@pydantic/genai-prices of ${PUBLISHED.date}`,
  };
}

/** The prices for prompts of more tokens than `start`. */
function pricesAt(listed: ListedPrice, start: number): TokenPrices {
  const usd = (key: string): number | undefined => {
    const price = listed[key];
    if (typeof price !== 'object') return price;
    let now = price.base;
    for (const tier of price.tiers) if (start >= tier.start) now = tier.price;
    return now;
  };
  const listedKinds = Object.entries(keys).map(([kind, key]) => [kind, usd(key)] as const);
  return Object.fromEntries(listedKinds.filter(([, price]) => price !== undefined)) as TokenPrices;
}
