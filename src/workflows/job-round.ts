import { ActivityFailure, condition, patched } from '@temporalio/workflow';
import type { ShardCounts } from '../activities/index.ts';
import { SETTLED_SHOWN, type SettledShard } from '../core/progress.ts';
import { grouped } from '../core/job-description.ts';
import { shardRound, type RoundPlan } from '../core/shard-plan.ts';
import { addShardCost } from './job-cost.ts';
import { estimateTokens } from './activity-proxies.ts';
import type { JobControl } from './job-control.ts';
import { REFUSED_SHOWN } from './job-state.ts';
import { mayHaveBought, recoverBought } from './recover-bought.ts';
import type { ShardRecord } from './shard-record.ts';
import { runShard } from './shard-run.ts';
import { isRoundOver, mayBegin, takeNext, widen } from './shard-window.ts';
import { Version } from './versions.ts';

/**
 * Runs the shards of a round, a window of them at a time, beside the poll loop, until all are settled; or until the history is
 * too long, and then the run `isContinuing`.
 */
export async function runRound(job: JobControl, plan: RoundPlan): Promise<void> {
  const { run, watch } = job;
  const { state } = run;
  if (run.sharesTokens && plan.tokens === undefined) plan = await withTokens(job, plan);
  let stopped = false;
  let failure: unknown = null;
  let running = 0;
  const isOver = (): boolean => running === 0 && isRoundOver(run, plan);
  const begin = (shard: ShardRecord): void => {
    running += 1;
    void settle(job, shard)
      .catch((error: unknown) => {
        failure ??= error;
      })
      .finally(() => {
        running -= 1;
      });
  };

  const reportTokens = async (): Promise<void> => {
    await job.tokens
      .report(() => stopped || run.isContinuing)
      .catch((error: unknown) => {
        failure ??= error;
      });
  };

  if (state.cancelled) watch.cancelAll();
  const polling = watch
    .run(() => stopped)
    .catch((error: unknown) => {
      failure ??= error;
    });
  const reporting = run.sharesTokens ? reportTokens() : null;
  for (const shard of state.active) begin(shard);
  for (;;) {
    // A paused round with nothing in flight is not over: its other shards are still to come.
    await condition(() => failure !== null || run.mustContinueAsNew() || mayBegin(run, plan) || isOver());
    if (failure !== null || run.mustContinueAsNew()) break;
    if (mayBegin(run, plan)) {
      begin(takeNext(run, plan));
    } else if (mayHaveBought(run, plan)) {
      for (const shard of await recoverBought(job, plan)) begin(shard);
    } else {
      const isEnd = isOver();
      // What let the next shard begin may have been followed, in the same task, by a pause or a refusal.
      if (isEnd || !patched(Version.HeldAgain)) break;
    }
  }

  const isSettled = (): boolean => isOver() && !mayHaveBought(run, plan);
  if (failure === null && run.mustContinueAsNew() && !isSettled()) {
    run.isContinuing = true;
    if (patched(Version.GiveUpSteps)) {
      job.steps.giveUpAll();
      // Polls continue until the last step has ended.
      await condition(() => failure !== null || running <= job.inFlight.size);
    }
    watch.handOver();
  }
  await condition(() => failure !== null || running === 0);
  if (failure !== null) throw failure;
  stopped = true;
  await polling;
  if (reporting !== null) await reporting;
  if (run.isContinuing && isSettled()) run.isContinuing = false;
}

/**
 * A plan with the tokens of its shards, by which the shards share the account's. If they cannot be estimated, the shards of the round are
 * sent without. A cancel does not wait for it.
 */
async function withTokens({ run, steps }: JobControl, plan: RoundPlan): Promise<RoundPlan> {
  const { spec, state } = run;
  const request = { job: spec.jobId, round: state.round, shards: plan.shards };
  const summary = `estimate the tokens of ${grouped(plan.shards)} shards`;
  let tokens: RoundPlan['tokens'] = [];
  try {
    // Batches of a round that an earlier version has begun are polled first.
    if (!state.cancelled && state.active.length === 0)
      tokens = await steps.run(true, async () => await estimateTokens(summary, request));
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
  }
  state.plan = { ...plan, tokens };
  return state.plan;
}

/** Takes a shard as far as this run may, and adds its outcome to the job's sums. */
async function settle(job: JobControl, shard: ShardRecord): Promise<void> {
  const { run } = job;
  const { state } = run;
  const end = await runShard(shard, job);
  if (end === 'continued') return; // it stays active, for the next run
  state.active.splice(state.active.indexOf(shard), 1);
  state.done += 1;
  if (end === 'not sent') (state.unsent ??= []).push(shard.id);
  else addOutcome(job, shard, end.counts);
  run.onChange();
}

function addOutcome({ run, gate, tokens }: JobControl, shard: ShardRecord, counts: ShardCounts): void {
  const { state } = run;
  addShardCost(state, counts, shardRound(shard.id));
  state.answered += counts.answered;
  state.failed += counts.failed;
  state.again += counts.again;
  tokens.settled(shard, counts);
  state.inputTokens += counts.inputTokens;
  state.outputTokens += counts.outputTokens;
  if (counts.refused !== undefined) {
    state.refused = [...(state.refused ?? []), counts.refused].slice(0, REFUSED_SHOWN);
    state.refusedShards = (state.refusedShards ?? 0) + 1;
  }
  state.settled = [settledView(shard, counts), ...(state.settled ?? [])].slice(0, SETTLED_SHOWN);
  if (counts.accountRefused !== undefined) {
    gate.refuse(`the API refused the account: ${counts.accountRefused} in rows of ${shard.batchId}`);
  } else if (shard.batchId !== undefined) {
    gate.forget();
    widen(run);
  }
}

function settledView(shard: ShardRecord, counts: ShardCounts): SettledShard {
  return {
    id: shard.id,
    lines: shard.lines,
    answered: counts.answered,
    failed: counts.failed,
    again: counts.again,
    batchId: shard.batchId ?? '',
    sentAt: shard.sentAt === undefined ? null : new Date(shard.sentAt).toISOString(),
    settledAt: new Date().toISOString(),
    inputTokens: counts.inputTokens,
    outputTokens: counts.outputTokens,
    costUsd: counts.costUsd ?? null,
  };
}
