import { condition } from '@temporalio/workflow';
import type { RoundPlan } from '../core/shard-plan.ts';
import type { JobRun } from './job-state.ts';
import { newShard, type ShardRecord } from './shard-record.ts';
import { scaled } from './tuning.ts';

/*
 * How many shards may be in flight: `--in-flight` of them; half of those in flight after a refusal for want of allowance, and
 * one more with each batch that ends.
 */

/** Waits before a refused batch is created again: allowance comes back when batches end, files appear within minutes. */
const BACK_OFF_MS = [30_000, 60_000, 120_000, 300_000, 900_000] as const;

/** True when the next shard of the round may begin. */
export function mayBegin(run: JobRun, plan: RoundPlan): boolean {
  const { cancelled, next, active, window } = run.state;
  return !cancelled && !run.isPaused() && next < plan.shards && active.length < window;
}

/** Takes the next shard of the round into flight. */
export function takeNext({ state }: JobRun, plan: RoundPlan): ShardRecord {
  const shard = newShard(state.round, state.next, plan);
  state.next += 1;
  state.active.push(shard);
  return shard;
}

/** True when no shard of the round is in flight, and none will be. */
export function isRoundOver({ state }: JobRun, plan: RoundPlan): boolean {
  return state.active.length === 0 && (state.cancelled || state.next >= plan.shards);
}

/** A batch has ended, so its allowance is free again. */
export function widen({ state, spec }: JobRun): void {
  if (state.window < spec.inFlight) state.window += 1;
}

/** Halves the window and waits, `refusals` refusals in a row, before a batch is created again; ends early when the run stops sending. */
export async function shrinkWindowAndWait(run: JobRun, refusals: number, summary: string): Promise<void> {
  const { state } = run;
  state.window = Math.max(1, Math.floor(state.active.length / 2));
  const before = state.done;
  const wait = scaled(BACK_OFF_MS[Math.min(refusals, BACK_OFF_MS.length) - 1]!);
  // A batch of this job that ends frees allowance at once; those of other jobs are waited for.
  await condition(() => run.isStopping() || state.done > before, wait, { summary });
}
