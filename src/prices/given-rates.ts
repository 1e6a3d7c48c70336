import type { GivenPrices, GivenTier, TokenPrices } from '../core/given-prices.ts';
import { noTokens, type ModelRates, type TokenCounts, type TokenRates } from '../core/token-cost.ts';
import { toTokenRates } from './token-prices.ts';

/** The prices that the user gave for a model; null for a model without them. */
export function givenRates({ date, models }: GivenPrices, name: string): ModelRates | null {
  const model = Object.hasOwn(models, name) ? models[name] : undefined;
  if (model === undefined) return null;
  const { tiers = [] } = model;
  const all: readonly GivenTier[] = [model, ...tiers];
  return {
    tierStarts: tiers.map(({ above }) => above),
    tiers: all.map((tier) => toTokenRates(tier)),
    ...(all.some(({ batch }) => batch !== undefined) ? { batchTiers: all.map(batchRates) } : {}),
    source: date === undefined ? 'price file' : `price file of ${date}`,
  };
}

/** Each price that the tier has is halved, unless `batch` has another one; the others follow from these. */
function batchRates(tier: GivenTier): TokenRates {
  const halves = kinds.filter((kind) => tier[kind] !== undefined).map((kind) => [kind, tier[kind]! / 2]);
  return toTokenRates({ ...(Object.fromEntries(halves) as TokenPrices), ...tier.batch });
}

const kinds = Object.keys(noTokens()) as (keyof TokenCounts)[];
