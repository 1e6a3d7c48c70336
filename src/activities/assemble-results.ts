import { log } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { basename } from 'node:path';
import type { JobSpec } from '../core/job-spec.ts';
import { FAILED_SHOWN, toReportedCost, type JobReport } from '../core/progress.ts';
import { type RoundPlan, shardId } from '../core/shard-plan.ts';
import type { ReportShard } from '../report/report-data.ts';
import { ByteCounter } from '../file-work/byte-counter.ts';
import { reportPage } from '../report/page.ts';
import { jobFiles, shardFiles } from '../store/job-files.ts';
import { claimRecord, readRecord } from '../store/store.ts';
import type { Dependencies } from './step/dependencies.ts';
import { withHeartbeat, type HeartbeatDetails } from './step/heartbeat.ts';
import { countDuplicates } from './batches/late-duplicates.ts';
import { readReportShard } from './report/read-report-shard.ts';
import { sumShards } from './report/sum-shards.ts';
import { assertThreadFree } from './step/worker-busy.ts';

export interface AssembleRequest {
  readonly job: string;
  /** Rounds that have shards. */
  readonly rounds: number;
  /** True when the job was cancelled: lines that no batch has ended end `cancelled`. */
  readonly cancelled: boolean;
  /** ISO 8601. */
  readonly startedAt: string;
}

/** Charts are drawn long before the rows of a large job are merged; a small job waits no longer than this for them. */
const DRAWING_MS = 10_000;

/**
 * Writes `results.jsonl`, one row per line in input order, then `report.html`, then `report.json`.
 * Safe twice: all are made from outcomes that never change, and are written whole; the first `report.json` is kept, and an
 * attempt that finds the one of another attempt writes the page again from it.
 * @throws ApplicationFailure `RowsMismatch` (a bug, final) if a line has no row or two
 */
export async function assembleResults(deps: Dependencies, request: AssembleRequest): Promise<JobReport> {
  const { store, files } = deps;
  const { job, startedAt } = request;
  const known = await readRecord<JobReport>(store, jobFiles.report(job));
  if (known !== null) return known;
  const counter = new ByteCounter();
  const details = (): HeartbeatDetails => ({ done: counter.done, of: counter.of });
  return await withHeartbeat(
    async (signal) => {
      const plans: RoundPlan[] = [];
      for (let round = 1; round <= request.rounds; round += 1)
        plans.push((await readRecord<RoundPlan>(store, jobFiles.round(job, round)))!);
      const shards = plans.flatMap((plan, i) =>
        Array.from({ length: plan.shards }, (_, index) => shardId(i + 1, index)),
      );
      assertThreadFree(files, { shards: shards.length });
      if (request.cancelled) await cancelRest(deps, job, shards);
      const losses = await countDuplicates(deps, job, startedAt, shards, signal);
      const reportShards: ReportShard[] = [];
      for (const shard of shards) reportShards.push(await readReportShard(store, job, shard));
      const { models, costs, priceSources, ...sums } = sumShards(reportShards, losses);
      const drawing = tryOrLog(job, () =>
        files.drawReport(
          { startedAt, shards: reportShards, models, costs, priceSources },
          AbortSignal.timeout(DRAWING_MS),
        ),
      );
      const sources = [
        ...(plans[0]!.rejected === 0 ? [] : [jobFiles.rejected(job)]),
        ...(plans[0]!.kept === undefined ? [] : [jobFiles.kept(job)]),
        ...reportShards.map(({ id, rows }) => shardFiles.rows(job, id, rows)),
      ];
      const replacing = shardsFromRebuy(plans);
      const target = jobFiles.results(job);
      const again = replacedRows(plans);
      const { rejected, kept } = plans[0]!;
      const failed = sums.failed + rejected - again.failed;
      const examples = Math.min(failed, FAILED_SHOWN);
      const merged = await files.mergeRows({ files: sources, target, counter, replacing, examples });
      const lines = plans[0]!.lines + rejected + (kept ?? 0);
      if (merged.rows !== lines) {
        throw ApplicationFailure.nonRetryable(
          `${merged.rows} rows for ${lines} lines of job ${job}: please report this as a bug.`,
          'RowsMismatch',
        );
      }
      const drawn = await drawing;
      const report: JobReport = {
        job_id: job,
        lines,
        answered: sums.answered + (kept ?? 0),
        failed,
        unavailable: (sums.errors['answer_unavailable'] ?? 0) - again.unavailable,
        cancelled: sums.cancelled - again.cancelled,
        ...(kept === undefined ? {} : { reused: kept }),
        rounds: roundsSent(reportShards),
        batches: sums.batches,
        input_tokens: sums.inputTokens,
        output_tokens: sums.outputTokens,
        cost_usd: sums.batchUsd,
        cost_usd_without_batch: sums.listUsd,
        costs: costs.map(toReportedCost),
        ...(priceSources.length === 0 ? {} : { price_sources: priceSources }),
        errors: sums.errors,
        ...(failed === 0 ? {} : { first_failed: merged.failed }),
        duplicates: losses.length === 0 ? null : sums.duplicates,
        ...(sums.notes.length === 0 ? {} : { notes: sums.notes }),
        started_at: startedAt,
        finished_at: new Date().toISOString(),
      };
      if (drawn !== null) await writePage(deps, report, rejected, drawn);
      const { record, first } = await claimRecord(store, jobFiles.report(job), report);
      if (first) deps.observer?.onJobEnded({ job, report: record });
      else if (drawn !== null) await writePage(deps, record, rejected, drawn);
      return record;
    },
    { details },
  );
}

/** Counts rows of earlier rounds that a later row of the same line replaces. */
function replacedRows(plans: readonly RoundPlan[]): Record<'failed' | 'unavailable' | 'cancelled', number> {
  const sums = { failed: 0, unavailable: 0, cancelled: 0 };
  for (const { rebought, retried, lines } of plans) {
    if (rebought !== true) continue;
    sums.failed += retried?.failed ?? lines;
    sums.cancelled += retried?.cancelled ?? 0;
    sums.unavailable += retried === undefined ? lines : 0;
  }
  return sums;
}

/** The number of shards, from the end, in the first round of lines that were sent again for payment and in all rounds after it. */
function shardsFromRebuy(plans: readonly RoundPlan[]): number {
  const first = plans.findIndex(({ rebought }) => rebought === true);
  return first === -1 ? 0 : plans.slice(first).reduce((sum, { shards }) => sum + shards, 0);
}

/** The number of rounds in which a batch was sent. A round whose lines were cancelled before that does not count. */
function roundsSent(reportShards: readonly ReportShard[]): number {
  const sent = reportShards.filter(({ batches }) => batches.length > 0).map(({ round }) => round);
  return Math.max(1, new Set(sent).size);
}

/** Writes the page before the report, so a job with a report has its page. A page that cannot be made fails nothing. */
async function writePage(
  { store }: Dependencies,
  report: JobReport,
  rejected: number,
  drawn: string,
): Promise<void> {
  const job = report.job_id;
  await tryOrLog(job, async () => {
    const spec = await readRecord<JobSpec>(store, jobFiles.spec(job));
    const input = spec === null ? null : basename(spec.input.path);
    await store.replace(jobFiles.page(job), reportPage({ report, input, rejected }, drawn));
  });
}

async function tryOrLog<T>(job: string, work: () => Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    log.warn('The page of the report was not made; results and report.json are complete.', {
      job,
      reason: (error as Error).name,
    });
    return null;
  }
}

async function cancelRest(
  { store, files }: Dependencies,
  job: string,
  shards: readonly string[],
): Promise<void> {
  for (const shard of shards) {
    if ((await store.size(shardFiles.outcome(job, shard))) === null) await files.cancelShard({ job, shard });
  }
}
