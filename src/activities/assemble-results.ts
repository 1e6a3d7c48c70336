import { ApplicationFailure } from '@temporalio/common';
import type { DuplicatesReport, JobReport } from '../core/progress.ts';
import {
  type PaidTwice,
  type RoundPlan,
  shardId,
  type ShardManifest,
  type ShardOutcome,
} from '../core/shard-plan.ts';
import { jobFiles, shardFiles } from '../store/job-files.ts';
import { claimRecord, readRecord, type Store } from '../store/store.ts';
import { batchPrice } from './batch-price.ts';
import type { BatchRecord } from './create-batch.ts';
import type { Dependencies } from './dependencies.ts';
import { whileBeating } from './heartbeat.ts';
import { countDuplicates, type DuplicateLoss } from './late-duplicates.ts';

export interface AssembleRequest {
  readonly job: string;
  /** Rounds that have shards. */
  readonly rounds: number;
  /** True when the job was cancelled: lines that no batch has ended end `cancelled`. */
  readonly cancelled: boolean;
  /** ISO 8601. */
  readonly startedAt: string;
}

/**
 * Writes `results.jsonl`, one row per line in input order, and `report.json`.
 * Safe twice: both are made from outcomes that never change and written whole; the first report is kept.
 * @throws ApplicationFailure (a fault of ours, final) when a line has no row or two
 */
export async function assembleResults(deps: Dependencies, request: AssembleRequest): Promise<JobReport> {
  const { store, files } = deps;
  const { job } = request;
  const known = await readRecord<JobReport>(store, jobFiles.report(job));
  if (known !== null) return known;
  return await whileBeating(async (signal) => {
    const plans: RoundPlan[] = [];
    for (let round = 1; round <= request.rounds; round += 1)
      plans.push((await readRecord<RoundPlan>(store, jobFiles.round(job, round)))!);
    const shards = plans.flatMap((plan, i) =>
      Array.from({ length: plan.shards }, (_, index) => shardId(i + 1, index)),
    );
    if (request.cancelled) await cancelRest(deps, job, shards);
    const losses = await countDuplicates(deps, job, request.startedAt, shards, signal);
    const totals = await sumShards(store, job, shards, losses);
    const paths = [
      await store.filePath(jobFiles.rejected(job)),
      ...(plans[0]!.kept === undefined ? [] : [await store.filePath(jobFiles.kept(job))]),
    ];
    for (const shard of shards) paths.push(await store.filePath(shardFiles.rows(job, shard)));
    const rows = await files.mergeRows(paths, await store.filePath(jobFiles.results(job)));
    const { rejected, kept } = plans[0]!;
    const lines = plans[0]!.lines + rejected + (kept ?? 0);
    if (rows !== lines) {
      throw ApplicationFailure.nonRetryable(
        `${rows} rows for ${lines} lines of job ${job}: please report this as a bug.`,
        'RowsMismatch',
      );
    }
    const report: JobReport = {
      job_id: job,
      lines,
      answered: totals.answered + (kept ?? 0),
      failed: totals.failed + rejected,
      cancelled: totals.cancelled,
      ...(kept === undefined ? {} : { reused: kept }),
      rounds: plans.length,
      batches: totals.batches,
      input_tokens: totals.input,
      output_tokens: totals.output,
      cost_usd: totals.batchUsd,
      cost_usd_without_batch: totals.listUsd,
      errors: totals.errors,
      duplicates: losses.length === 0 ? null : totals.duplicates,
      started_at: request.startedAt,
      finished_at: new Date().toISOString(),
    };
    return (await claimRecord(store, jobFiles.report(job), report)).record;
  });
}

async function cancelRest(
  { store, files }: Dependencies,
  job: string,
  shards: readonly string[],
): Promise<void> {
  for (const shard of shards) {
    if ((await store.size(shardFiles.outcome(job, shard))) === null) await files.cancelShard(job, shard);
  }
}

interface Totals {
  answered: number;
  failed: number;
  cancelled: number;
  batches: number;
  input: number;
  output: number;
  batchUsd: number | null;
  listUsd: number | null;
  /** Lines that ended without an answer, or went again, by code. */
  errors: Record<string, number>;
  /** Part of the sums above. */
  duplicates: Writable<DuplicatesReport>;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

async function sumShards(
  store: Store,
  job: string,
  shards: readonly string[],
  losses: readonly DuplicateLoss[],
): Promise<Totals> {
  const lossOf = new Map(losses.map((loss) => [loss.shard, loss]));
  const totals: Totals = {
    answered: 0,
    failed: 0,
    cancelled: 0,
    batches: 0,
    input: 0,
    output: 0,
    batchUsd: 0,
    listUsd: 0,
    errors: {},
    duplicates: { batches: 0, answers: 0, input_tokens: 0, output_tokens: 0, cost_usd: 0 },
  };
  for (const shard of shards) {
    const outcome = (await readRecord<ShardOutcome>(store, shardFiles.outcome(job, shard)))!;
    const manifest = (await readRecord<ShardManifest>(store, shardFiles.manifest(job, shard)))!;
    totals.answered += outcome.answered;
    totals.failed += outcome.failed;
    totals.cancelled += manifest.lines - outcome.answered - outcome.failed - outcome.again.length;
    for (const [code, count] of Object.entries(outcome.errors))
      totals.errors[code] = (totals.errors[code] ?? 0) + count;
    for (let n = 1; (await readRecord<BatchRecord>(store, shardFiles.batch(job, shard, n))) !== null; n += 1)
      totals.batches += 1;
    addTokens(totals, manifest.model, outcome);
    const loss = lossOf.get(shard);
    totals.duplicates.batches += loss?.batches ?? 0;
    for (const twice of [outcome.twice, loss?.late]) if (twice) addTwice(totals, manifest.model, twice);
  }
  return totals;
}

interface CountedTokens {
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
}

/** Adds tokens and their price; answers the price as a batch. */
function addTokens(totals: Totals, model: string, tokens: CountedTokens): number | null {
  const { inputTokens: input, cachedTokens: cached, outputTokens: output } = tokens;
  totals.input += input;
  totals.output += output;
  const price = batchPrice(model, { input, cached, output });
  // One model without a price makes the sum unknown, not smaller.
  totals.batchUsd = price === null || totals.batchUsd === null ? null : totals.batchUsd + price.batchUsd;
  totals.listUsd = price === null || totals.listUsd === null ? null : totals.listUsd + price.listUsd;
  return price?.batchUsd ?? null;
}

function addTwice(totals: Totals, model: string, twice: PaidTwice): void {
  const usd = addTokens(totals, model, twice);
  const { duplicates } = totals;
  duplicates.answers += twice.answers;
  duplicates.input_tokens += twice.inputTokens;
  duplicates.output_tokens += twice.outputTokens;
  duplicates.cost_usd = usd === null || duplicates.cost_usd === null ? null : duplicates.cost_usd + usd;
}
