import { ApplicationFailure } from '@temporalio/common';
import type { JobReport } from '../core/progress.ts';
import { type RoundPlan, shardId, type ShardManifest, type ShardOutcome } from '../core/shard-plan.ts';
import { jobFiles, shardFiles } from '../store/job-files.ts';
import { claimRecord, readRecord, type Store } from '../store/store.ts';
import { batchPrice } from './batch-price.ts';
import type { BatchRecord } from './create-batch.ts';
import type { Dependencies } from './dependencies.ts';
import { whileBeating } from './heartbeat.ts';

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
  return await whileBeating(async () => {
    const plans: RoundPlan[] = [];
    for (let round = 1; round <= request.rounds; round += 1)
      plans.push((await readRecord<RoundPlan>(store, jobFiles.round(job, round)))!);
    const shards = plans.flatMap((plan, i) =>
      Array.from({ length: plan.shards }, (_, index) => shardId(i + 1, index)),
    );
    if (request.cancelled) await cancelRest(deps, job, shards);
    const totals = await sumShards(store, job, shards);
    const paths = [await store.filePath(jobFiles.rejected(job))];
    for (const shard of shards) paths.push(await store.filePath(shardFiles.rows(job, shard)));
    const rows = await files.mergeRows(paths, await store.filePath(jobFiles.results(job)));
    const { lines, rejected } = { lines: plans[0]!.lines + plans[0]!.rejected, rejected: plans[0]!.rejected };
    if (rows !== lines) {
      throw ApplicationFailure.nonRetryable(
        `${rows} rows for ${lines} lines of job ${job}: please report this as a bug.`,
        'RowsMismatch',
      );
    }
    const report: JobReport = {
      job_id: job,
      lines,
      answered: totals.answered,
      failed: totals.failed + rejected,
      cancelled: totals.cancelled,
      rounds: plans.length,
      batches: totals.batches,
      input_tokens: totals.input,
      output_tokens: totals.output,
      cost_usd: totals.batchUsd,
      cost_usd_without_batch: totals.listUsd,
      errors: totals.errors,
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
}

async function sumShards(store: Store, job: string, shards: readonly string[]): Promise<Totals> {
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
  };
  for (const shard of shards) {
    const outcome = (await readRecord<ShardOutcome>(store, shardFiles.outcome(job, shard)))!;
    const manifest = (await readRecord<ShardManifest>(store, shardFiles.manifest(job, shard)))!;
    totals.answered += outcome.answered;
    totals.failed += outcome.failed;
    totals.cancelled += manifest.lines - outcome.answered - outcome.failed - outcome.again.length;
    totals.input += outcome.inputTokens;
    totals.output += outcome.outputTokens;
    for (const [code, count] of Object.entries(outcome.errors))
      totals.errors[code] = (totals.errors[code] ?? 0) + count;
    for (let n = 1; (await readRecord<BatchRecord>(store, shardFiles.batch(job, shard, n))) !== null; n += 1)
      totals.batches += 1;
    const tokens = { input: outcome.inputTokens, cached: outcome.cachedTokens, output: outcome.outputTokens };
    const price = batchPrice(manifest.model, tokens);
    // One model without a price makes the sum unknown, not smaller.
    totals.batchUsd = price === null || totals.batchUsd === null ? null : totals.batchUsd + price.batchUsd;
    totals.listUsd = price === null || totals.listUsd === null ? null : totals.listUsd + price.listUsd;
  }
  return totals;
}
