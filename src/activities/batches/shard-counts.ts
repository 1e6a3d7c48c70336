import type { ShardOutcome } from '../../core/shard-plan.ts';
import { addCosts, priceOf, type Cost } from '../../core/token-cost.ts';
import { costOf } from '../../openai/price.ts';

/** How a shard ended, in numbers: all that a workflow needs to know. */
export interface ShardCounts {
  readonly answered: number;
  readonly failed: number;
  readonly again: number;
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  /** At batch prices, in USD; null when the model's price is not known, absent from workers of version 0.1. */
  readonly costUsd?: number | null;
  /** The same tokens at list price. */
  readonly costUsdWithoutBatch?: number | null;
  /** The same amount, exact; absent from workers of version 0.1. */
  readonly cost?: Cost;
  /** Which shard, of which lines, the API refused for good, and how; absent for others. */
  readonly refused?: string;
  /** The code by which rows say that the key or the account was refused; absent where none does. */
  readonly accountRefused?: string;
}

/** What was paid for a shard's answers, those that came a second time included. */
export interface Paid {
  readonly tokens: { readonly input: number; readonly cached: number; readonly output: number };
  readonly cost: Cost;
}

/** The tokens and the cost of an outcome. */
export function paidFor(model: string, outcome: ShardOutcome): Paid {
  const { inputTokens, cachedTokens, outputTokens, twice } = outcome;
  return {
    tokens: {
      input: inputTokens + (twice?.inputTokens ?? 0),
      cached: cachedTokens + (twice?.cachedTokens ?? 0),
      output: outputTokens + (twice?.outputTokens ?? 0),
    },
    cost: addCosts(costOf(model, outcome), twice === undefined ? '0' : costOf(model, twice)),
  };
}

/** An outcome in numbers. */
export function toShardCounts(outcome: ShardOutcome, { cost }: Paid): ShardCounts {
  const { answered, failed, again, inputTokens, cachedTokens, outputTokens, accountRefused } = outcome;
  const price = priceOf(cost);
  return {
    answered,
    failed,
    again: again.length,
    inputTokens,
    cachedTokens,
    outputTokens,
    costUsd: price?.batchUsd ?? null,
    costUsdWithoutBatch: price?.listUsd ?? null,
    cost,
    ...(accountRefused === undefined ? {} : { accountRefused: accountRefused.code }),
  };
}
