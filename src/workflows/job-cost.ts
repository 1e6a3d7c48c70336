import type { ShardCounts } from '../activities/index.ts';
import { addAmounts, amountFromUsd, noCost, priceOf, type Amount } from '../core/token-cost.ts';
import type { JobSnapshot } from './job-state.ts';

/** Adds what a settled shard cost to the sums of its job; called before its lines are counted. */
export function addShardCost(state: JobSnapshot, counts: ShardCounts): void {
  const sum = addAmounts(costSoFar(state), amountOf(counts) ?? amountFromUsd(null));
  state.cost = sum.cost;
  if (sum.batchCost === undefined) delete state.batchCost;
  else state.batchCost = sum.batchCost;
  const price = priceOf(sum);
  state.costUsd = price?.batchUsd ?? null;
  state.costUsdWithoutBatch = price?.listUsd ?? null;
}

/** Runs of earlier versions kept the sum in USD, those of version 0.1 not at all. */
function costSoFar(state: JobSnapshot): Amount {
  const isFirst = state.answered + state.failed + state.again === 0;
  return amountOf(state) ?? (isFirst ? noCost : amountFromUsd(null));
}

/** An amount in a state or in counts: earlier versions have only USD. */
interface Summed extends Partial<Amount> {
  readonly costUsd?: number | null;
  readonly costUsdWithoutBatch?: number | null;
}

function amountOf({ cost, batchCost, costUsd, costUsdWithoutBatch }: Summed): Amount | null {
  if (cost !== undefined) return batchCost === undefined ? { cost } : { cost, batchCost };
  return costUsdWithoutBatch === undefined ? null : amountFromUsd(costUsdWithoutBatch, costUsd);
}
