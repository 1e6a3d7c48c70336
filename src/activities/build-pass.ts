import type { TokenQueueOptions } from '../core/job-spec.ts';
import type { JobReport } from '../core/progress.ts';
import type { RoundPlan } from '../core/shard-plan.ts';
import { jobFiles } from '../store/job-files.ts';
import { readPass } from '../store/job-pass.ts';
import { claimRecord, readRecord } from '../store/store.ts';
import type { Dependencies } from './step/dependencies.ts';
import { withHeartbeat } from './step/heartbeat.ts';
import { assertThreadFree } from './step/worker-busy.ts';

/** Another pass over the lines of a job that ended without an answer. */
export interface PassRequest {
  readonly job: string;
  /** From 1. */
  readonly pass: number;
  readonly shardLines: number;
  readonly shardBytes: number;
  /** As in `JobSpec.tokenQueue`. */
  readonly tokenQueue?: TokenQueueOptions;
}

/** The first round of a pass, and the state of the job before it. */
export interface BegunPass {
  /** The round before it. */
  readonly round: number;
  /** Without shards if no line is left. */
  readonly plan: RoundPlan;
  readonly report: JobReport;
}

/**
 * Packs the lines that ended without an answer into shards of a round that begins another pass.
 * Safe twice: rows of earlier rounds never change, so an attempt writes the same files; the round's plan is claimed.
 */
export async function buildPass(
  { store, files }: Dependencies,
  { job, pass, ...limits }: PassRequest,
): Promise<BegunPass> {
  const { round, report } = await readPass(store, job, pass);
  const key = jobFiles.round(job, round + 1);
  const known = await readRecord<RoundPlan>(store, key);
  if (known !== null) return { round, plan: known, report };
  assertThreadFree(files, { shards: Number.POSITIVE_INFINITY });
  const plan = await withHeartbeat(() => files.packRebuys({ job, round, ...limits, which: 'unanswered' }));
  return { round, plan: plan.shards === 0 ? plan : (await claimRecord(store, key, plan)).record, report };
}
