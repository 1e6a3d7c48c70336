import type { ShardCounts } from '../activities/index.ts';
import { addCosts, costFromUsd, priceOf, type Cost } from '../core/token-cost.ts';
import type { JobSnapshot } from './job-state.ts';

/** Adds what a settled shard cost to the sums of its job; called before its lines are counted. */
export function addShardCost(state: JobSnapshot, { cost, costUsdWithoutBatch }: ShardCounts): void {
  // A worker of an earlier version sends no exact amount.
  const more = cost === undefined ? costFromUsd(costUsdWithoutBatch ?? null) : cost;
  state.cost = addCosts(costSoFar(state), more);
  const price = priceOf(state.cost);
  state.costUsd = price?.batchUsd ?? null;
  state.costUsdWithoutBatch = price?.listUsd ?? null;
}

/** Runs of earlier versions kept the sum in USD, those of version 0.1 not at all. */
function costSoFar(state: JobSnapshot): Cost {
  if (state.cost !== undefined) return state.cost;
  if (state.costUsdWithoutBatch !== undefined) return costFromUsd(state.costUsdWithoutBatch);
  return state.answered + state.failed + state.again > 0 ? null : '0';
}
