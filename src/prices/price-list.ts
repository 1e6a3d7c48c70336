import type { GivenPrices } from '../core/given-prices.ts';
import {
  arePlausible,
  noTokens,
  TokenSum,
  type Amount,
  type ModelRates,
  type TokenCounts,
} from '../core/token-cost.ts';
import { givenRates } from './given-rates.ts';
import { publishedRates } from './published-prices.ts';

/** The prices of models: all that computes a cost asks it. */
export interface PriceList {
  /** The prices of a model; null if they are not known. Never throws: a cost that is only reported stops nothing. */
  readonly ratesOf: (model: string) => ModelRates | null;
}

/** The published prices, and those that the user gave instead. */
export function priceList(given: GivenPrices | undefined): PriceList {
  return {
    ratesOf(model) {
      try {
        return (given === undefined ? null : givenRates(given, model)) ?? publishedRates(model);
      } catch {
        return null; // prices that another version wrote, or an odd name
      }
    },
  };
}

/** Returns the exact cost of the tokens of one prompt; unknown if they cannot be right. */
export function promptAmount(rates: ModelRates | null, tokens: Partial<TokenCounts>): Amount {
  const counts = { ...noTokens(), ...tokens };
  const isCount = Object.values(counts).every((count) => Number.isSafeInteger(count) && count >= 0);
  if (rates === null || !isCount || !arePlausible(counts)) return { cost: null };
  const sum = new TokenSum(rates);
  sum.add(counts);
  return sum.amount();
}

/** The paid tokens of answers. Outcomes of version 0.1 have no amount, and no sums by tier. */
export interface PaidTokens extends Partial<Amount> {
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
}

/** Returns the cost of answers: as computed when they were read, or, for version 0.1, as if their tokens were those of one prompt. */
export function amountPaid(model: string, paid: PaidTokens): Amount {
  const { cost, batchCost, inputTokens: input, cachedTokens: cached, outputTokens: output } = paid;
  if (cost !== undefined) return batchCost === undefined ? { cost } : { cost, batchCost };
  return promptAmount(priceList(undefined).ratesOf(model), { input, cached, output });
}
