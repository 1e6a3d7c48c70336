import type { ShardCounts } from '../activities/index.ts';
import { addToCosts, fromRoundCosts } from '../core/cost-sums.ts';
import { costsOfReport, type JobReport } from '../core/progress.ts';
import { addAmounts, amountFromUsd, noCost, priceOf, type Amount } from '../core/token-cost.ts';
import type { JobSnapshot } from './job-state.ts';

/** Adds what a settled shard cost to the sums of its job; called before its lines are counted. */
export function addShardCost(state: JobSnapshot, counts: ShardCounts, round: number): void {
  addRoundCost(state, counts, round);
  const sum = addAmounts(costSoFar(state), amountOf(counts) ?? amountFromUsd(null));
  state.cost = sum.cost;
  if (sum.batchCost === undefined) delete state.batchCost;
  else state.batchCost = sum.batchCost;
  const price = priceOf(sum);
  state.costUsd = price?.batchUsd ?? null;
  state.costUsdWithoutBatch = price?.listUsd ?? null;
}

function addRoundCost(state: JobSnapshot, counts: ShardCounts, round: number): void {
  const { model = null, inputTokens, cachedTokens, outputTokens } = counts;
  const paid = { inputTokens, cachedTokens, outputTokens, ...(amountOf(counts) ?? amountFromUsd(null)) };
  if (state.costs === undefined) {
    // A run of an earlier version, or a pass after one, has only the total.
    state.costs = [];
    const before = { inputTokens: state.inputTokens, cachedTokens: 0, outputTokens: state.outputTokens };
    addToCosts(state.costs, { model: null, round: null, ...before, ...costSoFar(state) });
  }
  addToCosts(state.costs, { model, round: model === null ? null : round, ...paid });
}

/** Takes over the sums of a report: at the end of a job, and before another pass. */
export function takeCosts(state: JobSnapshot, report: JobReport): void {
  const { input_tokens: inputTokens, output_tokens: outputTokens } = report;
  const { cost_usd: costUsd, cost_usd_without_batch: costUsdWithoutBatch } = report;
  Object.assign(state, { inputTokens, outputTokens, costUsd, costUsdWithoutBatch });
  // The amounts of the report are rounded; they are what the next sum begins with.
  delete state.cost;
  delete state.batchCost;
  const costs = costsOfReport(report);
  if (costs === undefined) delete state.costs;
  else state.costs = fromRoundCosts(costs);
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
