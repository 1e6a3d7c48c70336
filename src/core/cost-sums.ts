import { addAmounts, amountFromUsd, priceOf, type Amount } from './token-cost.ts';

/** The tokens and the cost of one model in one round: the same for report, progress, Web UI and metrics. */
export interface RoundCost {
  /** Null for the sum of all that have no entry of their own. */
  readonly model: string | null;
  /** From 1; null with `model`. */
  readonly round: number | null;
  /** Tokens of the paid requests. */
  readonly inputTokens: number;
  /** Part of `inputTokens`. */
  readonly cachedTokens: number;
  /** Tokens of their answers. */
  readonly outputTokens: number;
  /** At batch prices, in USD; null if it is not known. */
  readonly costUsd: number | null;
  /** At list price. */
  readonly costUsdWithoutBatch: number | null;
}

/** The same with an exact amount. */
export interface CostSum extends Amount {
  readonly model: string | null;
  readonly round: number | null;
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
}

/** Maximum sums of a job: continue-as-new carries them from run to run. Further ones are added up in one without a model. */
export const COSTS_SHOWN = 50;

/** Adds tokens and their cost to the sum of their model and round. */
export function addToCosts(sums: CostSum[], more: CostSum): void {
  if (more.inputTokens === 0 && more.outputTokens === 0 && more.cost === '0') return; // nothing was paid
  const found = sums.findIndex(({ model, round }) => model === more.model && round === more.round);
  if (found !== -1) sums[found] = added(sums[found]!, more);
  else if (more.model === null || sums.length < COSTS_SHOWN - 1) sums.push(more);
  else addToCosts(sums, { ...more, model: null, round: null });
}

function added(sum: CostSum, more: CostSum): CostSum {
  return {
    model: sum.model,
    round: sum.round,
    inputTokens: sum.inputTokens + more.inputTokens,
    cachedTokens: sum.cachedTokens + more.cachedTokens,
    outputTokens: sum.outputTokens + more.outputTokens,
    ...addAmounts(sum, more),
  };
}

/** The sums as they are displayed, by model and round; the one without a model comes last. */
export function toRoundCosts(sums: readonly CostSum[]): RoundCost[] {
  const models = new Set(sums.map(({ model }) => model));
  const named = [...models].filter((model) => model !== null).toSorted();
  const ofModel = (name: string | null): CostSum[] =>
    sums.filter(({ model }) => model === name).toSorted((a, b) => (a.round ?? 0) - (b.round ?? 0));
  return [...named, null].flatMap(ofModel).map(({ cost, batchCost, ...sum }) => {
    const price = priceOf(batchCost === undefined ? { cost } : { cost, batchCost });
    return {
      ...sum,
      costUsd: price?.batchUsd ?? null,
      costUsdWithoutBatch: price?.listUsd ?? null,
    };
  });
}

/** Sums of displayed ones, to which further shards are added. */
export function fromRoundCosts(costs: readonly RoundCost[]): CostSum[] {
  return costs.map(({ costUsd, costUsdWithoutBatch, ...sum }) => ({
    ...sum,
    ...amountFromUsd(costUsdWithoutBatch, costUsd),
  }));
}
