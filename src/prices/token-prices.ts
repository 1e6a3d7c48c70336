import type { TokenPrices } from '../core/given-prices.ts';
import type { TokenRates } from '../core/token-cost.ts';

/**
 * The price of a cache write without a price of its own. Prompt-caching guide (Nov 2026): 1.25 times the input price. It may have more
 * decimals than a price: it is rounded to 10^-12 USD a token.
 */
const CACHE_WRITE_SHARE = 1.25;

/** Converts prices to integers. A kind without its own price has that of the kind that contains it. */
export function toTokenRates(prices: TokenPrices): TokenRates {
  const { input = 0, output = 0 } = prices;
  const { cached = input, cacheWrite = input * CACHE_WRITE_SHARE } = prices;
  return {
    input: toRate(input),
    cached: toRate(cached),
    cacheWrite: toRate(cacheWrite),
    imageInput: toRate(prices.imageInput ?? input),
    cachedImage: toRate(prices.cachedImage ?? cached),
    audioInput: toRate(prices.audioInput ?? input),
    cachedAudio: toRate(prices.cachedAudio ?? cached),
    output: toRate(output),
    reasoning: toRate(prices.reasoning ?? output),
    imageOutput: toRate(prices.imageOutput ?? output),
    audioOutput: toRate(prices.audioOutput ?? output),
  };
}

/** Prices of at most five decimals become exact integers. */
function toRate(usdPerMillion: number): number {
  return Math.round(usdPerMillion * 1e6);
}
