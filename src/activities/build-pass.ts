import type { JobReport } from '../core/progress.ts';
import type { RoundPlan } from '../core/shard-plan.ts';
import { jobFiles } from '../store/job-files.ts';
import { readPass } from '../store/job-pass.ts';
import { claimRecord, readRecord } from '../store/store.ts';
import type { Dependencies } from './step/dependencies.ts';
import { whileBeating } from './step/heartbeat.ts';
import { leaveWhileBusy } from './step/worker-busy.ts';

/** Another pass over the lines of a job that ended without an answer. */
export interface PassRequest {
  readonly job: string;
  /** From 1. */
  readonly pass: number;
  readonly shardLines: number;
  readonly shardBytes: number;
}

/** The first round of a pass, and where the job stood before it. */
export interface BegunPass {
  /** The round before it. */
  readonly round: number;
  /** Without shards where no line is left. */
  readonly plan: RoundPlan;
  readonly report: JobReport;
}

/**
 * Packs the lines that ended without an answer into shards of a round that begins another pass.
 * Safe twice: rows of rounds before it never change, so the files come out the same; the round's plan is claimed.
 */
export async function buildPass(
  { store, files }: Dependencies,
  { job, pass, ...limits }: PassRequest,
): Promise<BegunPass> {
  const { round, report } = await readPass(store, job, pass);
  const key = jobFiles.round(job, round + 1);
  const known = await readRecord<RoundPlan>(store, key);
  if (known !== null) return { round, plan: known, report };
  leaveWhileBusy(files, { shards: Number.POSITIVE_INFINITY });
  const plan = await whileBeating(() => files.packRebuys({ job, round, ...limits, which: 'unanswered' }));
  return { round, plan: plan.shards === 0 ? plan : (await claimRecord(store, key, plan)).record, report };
}
