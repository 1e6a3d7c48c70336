import type { ShardOutcome } from '../../core/shard-plan.ts';
import { addAmounts, noCost, priceOf, type Amount } from '../../core/token-cost.ts';
import { amountPaid } from '../../prices/price-list.ts';

/** The counts of a settled shard, as the workflow receives them; the amount is absent from workers of version 0.1. */
export interface ShardCounts extends Partial<Amount> {
  /** Absent from workers of version 0.2 and before. */
  readonly model?: string;
  readonly answered: number;
  readonly failed: number;
  readonly again: number;
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  /** At batch prices, in USD; null if the model's price is not known, absent from workers of version 0.1. */
  readonly costUsd?: number | null;
  /** The same tokens at list price. */
  readonly costUsdWithoutBatch?: number | null;
  /** Describes the final refusal: shard, lines and reason; absent if the shard was not refused. */
  readonly refused?: string;
  /** The code of rows that report a refused key or account; absent if there is none. */
  readonly accountRefused?: string;
}

/** The paid tokens and the cost of a shard, including those of duplicate answers. */
export interface Paid {
  readonly tokens: { readonly input: number; readonly cached: number; readonly output: number };
  readonly amount: Amount;
}

/** Returns the paid tokens and the cost of an outcome. */
export function paidFor(model: string, outcome: ShardOutcome): Paid {
  const { inputTokens, cachedTokens, outputTokens, twice } = outcome;
  return {
    tokens: {
      input: inputTokens + (twice?.inputTokens ?? 0),
      cached: cachedTokens + (twice?.cachedTokens ?? 0),
      output: outputTokens + (twice?.outputTokens ?? 0),
    },
    amount: addAmounts(amountPaid(model, outcome), twice === undefined ? noCost : amountPaid(model, twice)),
  };
}

/** Returns the counts of an outcome with its cost. */
export function toShardCounts(model: string, outcome: ShardOutcome, amount: Amount): ShardCounts {
  const { answered, failed, again, inputTokens, cachedTokens, outputTokens, accountRefused } = outcome;
  const price = priceOf(amount);
  return {
    model,
    answered,
    failed,
    again: again.length,
    inputTokens,
    cachedTokens,
    outputTokens,
    costUsd: price?.batchUsd ?? null,
    costUsdWithoutBatch: price?.listUsd ?? null,
    ...amount,
    ...(accountRefused === undefined ? {} : { accountRefused: accountRefused.code }),
  };
}
