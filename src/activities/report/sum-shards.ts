import { addToCosts, toRoundCosts, type CostSum, type RoundCost } from '../../core/cost-sums.ts';
import { count } from '../../core/number-format.ts';
import type { DuplicatesReport } from '../../core/progress.ts';
import type { ModelSum, ReportShard } from '../../report/report-data.ts';
import { addAmounts, noCost, priceOf, type Amount } from '../../core/token-cost.ts';
import { amountPaid, type PaidTokens } from '../../prices/price-list.ts';
import type { DuplicateLoss } from '../batches/late-duplicates.ts';

/** The totals of a job. */
export interface ShardSums {
  readonly answered: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly batches: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Null if the price of a model is not known: then the sum is unknown, not smaller. */
  readonly batchUsd: number | null;
  readonly listUsd: number | null;
  /** Lines that ended without an answer or were sent again, by code. */
  readonly errors: Readonly<Record<string, number>>;
  /** Part of the sums above. */
  readonly duplicates: DuplicatesReport;
  /** The tokens and the cost by model and round. */
  readonly costs: readonly RoundCost[];
  /** Where the prices are from, with their dates. */
  readonly priceSources: readonly string[];
  /** The most used first. */
  readonly models: readonly ModelSum[];
  /** Notes about the cost for readers of the report, one sentence each. */
  readonly notes: readonly string[];
}

/** Adds up all shards of a job and the cost of duplicate batches. */
export function sumShards(shards: readonly ReportShard[], losses: readonly DuplicateLoss[]): ShardSums {
  const lossOf = new Map(losses.map((loss) => [loss.shard, loss]));
  // Codes and models come from outside: a plain object has keys such as `constructor` already.
  const errors = new Map<string, number>();
  const models = new Map<string, ModelTotal>();
  const sums = { answered: 0, failed: 0, cancelled: 0, batches: 0 };
  const duplicates = { batches: 0, answers: 0, input_tokens: 0, output_tokens: 0 };
  const costs: CostSum[] = [];
  let duplicatesCost = noCost;
  for (const shard of shards) {
    sums.answered += shard.answered;
    sums.failed += shard.failed;
    sums.cancelled += shard.cancelled;
    sums.batches += shard.batches.length;
    for (const [code, lines] of Object.entries(shard.errors))
      errors.set(code, (errors.get(code) ?? 0) + lines);
    const model = models.get(shard.model) ?? new ModelTotal(shard.model);
    models.set(shard.model, model);
    model.lines += shard.round === 1 ? shard.lines : 0; // later rounds hold lines of the first
    const add = (paid: PaidTokens): Amount => {
      const { inputTokens, cachedTokens, outputTokens } = paid;
      const amount = model.add(paid);
      addToCosts(costs, {
        model: shard.model,
        round: shard.round,
        inputTokens,
        cachedTokens,
        outputTokens,
        ...amount,
      });
      return amount;
    };
    add(shard);
    const loss = lossOf.get(shard.id);
    duplicates.batches += loss?.batches ?? 0;
    for (const twice of [shard.twice, loss?.late ?? null]) {
      if (twice === null) continue;
      duplicates.answers += twice.answers;
      duplicates.input_tokens += twice.inputTokens;
      duplicates.output_tokens += twice.outputTokens;
      duplicatesCost = addAmounts(duplicatesCost, add(twice));
    }
  }
  const used = [...models.values()].sort((a, b) => b.lines - a.lines);
  const price = priceOf(used.reduce((sum, { amount }) => addAmounts(sum, amount), noCost));
  return {
    ...sums,
    inputTokens: used.reduce((sum, { inputTokens }) => sum + inputTokens, 0),
    outputTokens: used.reduce((sum, { outputTokens }) => sum + outputTokens, 0),
    batchUsd: price?.batchUsd ?? null,
    listUsd: price?.listUsd ?? null,
    errors: Object.fromEntries(errors),
    duplicates: { ...duplicates, cost_usd: priceOf(duplicatesCost)?.batchUsd ?? null },
    costs: toRoundCosts(costs),
    priceSources: [...new Set(shards.flatMap(({ priceSource }) => priceSource ?? []))],
    models: used.map((model) => model.sum()),
    notes: notesOn(shards),
  };
}

/** The running total of one model. */
class ModelTotal {
  readonly model: string;
  lines = 0;
  inputTokens = 0;
  outputTokens = 0;
  amount: Amount = noCost;
  private cachedTokens = 0;

  constructor(model: string) {
    this.model = model;
  }

  /** Adds tokens and their cost; returns the cost. */
  add(paid: PaidTokens): Amount {
    const amount = amountPaid(this.model, paid);
    this.inputTokens += paid.inputTokens;
    this.cachedTokens += paid.cachedTokens;
    this.outputTokens += paid.outputTokens;
    this.amount = addAmounts(this.amount, amount);
    return amount;
  }

  sum(): ModelSum {
    const { model, lines, inputTokens, cachedTokens, outputTokens } = this;
    const price = priceOf(this.amount);
    return {
      model,
      lines,
      inputTokens,
      cachedTokens,
      outputTokens,
      batchUsd: price?.batchUsd ?? null,
      listUsd: price?.listUsd ?? null,
    };
  }
}

function notesOn(shards: readonly ReportShard[]): string[] {
  const notes: string[] = [];
  const unpriced = shards.reduce((sum, shard) => sum + (shard.unpriced ?? 0), 0);
  if (unpriced > 0)
    notes.push(
      `The cost is not known: the usage of ${count(unpriced)} paid ${unpriced === 1 ? 'row' : 'rows'} is missing or cannot be right. Tokens are counted as they were reported.`,
    );
  const old = shards.filter(({ cost, inputTokens }) => cost === undefined && inputTokens > 0).length;
  if (old > 0)
    notes.push(
      `The cost of ${count(old)} ${old === 1 ? 'shard' : 'shards'} that an earlier version settled was computed from the sum of their tokens: it may be too high for models with a higher price for long prompts.`,
    );
  return notes;
}
