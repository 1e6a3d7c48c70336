import type { DuplicatesReport } from '../core/progress.ts';
import type { ModelSum, ShardStory } from '../report/job-story.ts';
import { batchPrice } from './batch-price.ts';
import type { DuplicateLoss } from './late-duplicates.ts';

/** What the shards of a job come to. */
export interface ShardSums {
  readonly answered: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly batches: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Null when a model's price is not known: one without makes the sum unknown, not smaller. */
  readonly batchUsd: number | null;
  readonly listUsd: number | null;
  /** Lines that ended without an answer, or went again, by code. */
  readonly errors: Readonly<Record<string, number>>;
  /** Part of the sums above. */
  readonly duplicates: DuplicatesReport;
  /** The most used first. */
  readonly models: readonly ModelSum[];
}

/** Adds up all shards of a job, and what batches cost that were created on top of theirs. */
export function sumShards(shards: readonly ShardStory[], losses: readonly DuplicateLoss[]): ShardSums {
  const lossOf = new Map(losses.map((loss) => [loss.shard, loss]));
  // Codes and models come from outside: a plain object would hold `constructor` before it is counted.
  const errors = new Map<string, number>();
  const models = new Map<string, Writable<ModelSum>>();
  const sums = { answered: 0, failed: 0, cancelled: 0, batches: 0 };
  const duplicates: Writable<DuplicatesReport> = {
    batches: 0,
    answers: 0,
    input_tokens: 0,
    output_tokens: 0,
    cost_usd: 0,
  };
  for (const shard of shards) {
    sums.answered += shard.answered;
    sums.failed += shard.failed;
    sums.cancelled += shard.cancelled;
    sums.batches += shard.batches.length;
    for (const [code, lines] of Object.entries(shard.errors))
      errors.set(code, (errors.get(code) ?? 0) + lines);
    const model = models.get(shard.model) ?? nothingOf(shard.model);
    models.set(shard.model, model);
    model.lines += shard.round === 1 ? shard.lines : 0; // later rounds hold lines of the first
    add(model, shard);
    const loss = lossOf.get(shard.id);
    duplicates.batches += loss?.batches ?? 0;
    for (const twice of [shard.twice, loss?.late ?? null]) {
      if (twice === null) continue;
      duplicates.answers += twice.answers;
      duplicates.input_tokens += twice.inputTokens;
      duplicates.output_tokens += twice.outputTokens;
      duplicates.cost_usd = plus(duplicates.cost_usd, add(model, twice));
    }
  }
  const used = [...models.values()].sort((a, b) => b.lines - a.lines);
  return {
    ...sums,
    inputTokens: used.reduce((sum, { inputTokens }) => sum + inputTokens, 0),
    outputTokens: used.reduce((sum, { outputTokens }) => sum + outputTokens, 0),
    batchUsd: used.reduce((sum: number | null, { batchUsd }) => plus(sum, batchUsd), 0),
    listUsd: used.reduce((sum: number | null, { listUsd }) => plus(sum, listUsd), 0),
    errors: Object.fromEntries(errors),
    duplicates,
    models: used,
  };
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };
type Tokens = Pick<ModelSum, 'inputTokens' | 'cachedTokens' | 'outputTokens'>;

function nothingOf(model: string): Writable<ModelSum> {
  return { model, lines: 0, inputTokens: 0, cachedTokens: 0, outputTokens: 0, batchUsd: 0, listUsd: 0 };
}

/** Adds tokens and their price; answers the price as a batch. */
function add(to: Writable<ModelSum>, tokens: Tokens): number | null {
  const { inputTokens: input, cachedTokens: cached, outputTokens: output } = tokens;
  const price = batchPrice(to.model, { input, cached, output });
  to.inputTokens += input;
  to.cachedTokens += cached;
  to.outputTokens += output;
  to.batchUsd = plus(to.batchUsd, price?.batchUsd ?? null);
  to.listUsd = plus(to.listUsd, price?.listUsd ?? null);
  return price?.batchUsd ?? null;
}

/** An unknown part makes a sum unknown, not smaller. */
function plus(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a + b;
}
