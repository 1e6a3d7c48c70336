import { patched } from '@temporalio/workflow';
import { grouped } from '../core/job-description.ts';
import { shardId, type RoundPlan } from '../core/shard-plan.ts';
import { findBought } from './activity-proxies.ts';
import type { JobControl } from './job-control.ts';
import type { JobRun } from './job-state.ts';
import { boughtShard, type ShardRecord } from './shard-record.ts';
import { accountRefusal } from './step-failure.ts';
import { Version } from './versions.ts';

/** True for a cancelled round with unsent shards that another history of the job may have bought (before a reset, say). */
export function mayHaveBought({ state }: JobRun, plan: RoundPlan): boolean {
  const { cancelled, lookedForBought = false, next, unsent = [] } = state;
  const isUnsent = next < plan.shards || unsent.length > 0;
  return cancelled && !lookedForBought && isUnsent && patched(Version.FindBought);
}

/**
 * Takes the unsent shards that have a batch, or an outcome, all the same into flight, and returns their records; none when the
 * run continues as new first.
 */
export async function recoverBought(job: JobControl, plan: RoundPlan): Promise<ShardRecord[]> {
  const { run, gate } = job;
  const { spec, state } = run;
  const shards = [...(state.unsent ?? [])];
  for (let index = state.next; index < plan.shards; index += 1) shards.push(shardId(state.round, index));
  for (;;) {
    try {
      const bought = await findBought(
        `search for batches of ${grouped(shards.length)} shards that were not sent`,
        { job: spec.jobId, shards, ...(state.pass === undefined ? {} : { pass: state.pass }) },
      );
      const records = bought.map((found) => boughtShard(found, plan));
      Object.assign(state, { next: plan.shards, lookedForBought: true });
      state.active.push(...records);
      return records;
    } catch (error) {
      const reason = accountRefusal(error);
      if (reason !== null) gate.refuse(reason);
      else if (patched(Version.StepFailure)) job.stuckAt('batches of shards that were not sent', error);
      else throw error;
      await gate.untilOpen({
        isHeld: () => run.isStuck(),
        accepted: () => state.lookedForBought === true,
        leaves: () => run.mustContinueAsNew(),
      });
      if (run.mustContinueAsNew()) return [];
    }
  }
}
