import { CancellationScope, continueAsNew, patched, setHandler, workflowInfo } from '@temporalio/workflow';
import type { FirstPlan } from '../activities/index.ts';
import { grouped, sizeOf } from '../core/job-description.ts';
import type { JobSpec } from '../core/job-spec.ts';
import { endStateOf, JobState, type JobReport } from '../core/progress.ts';
import type { RoundPlan } from '../core/shard-plan.ts';
import {
  assembleResults,
  buildPass,
  buildRebuyShards,
  buildRetryShards,
  buildShards,
  useStepQueues,
} from './activity-proxies.ts';
import { JobControl } from './job-control.ts';
import { takeCosts } from './job-cost.ts';
import { JobDisplay } from './job-progress.ts';
import { runRound } from './job-round.ts';
import { JobRun, newSnapshot, type JobSnapshot } from './job-state.ts';
import { progressQuery } from './messages.ts';
import { tune, type JobTuning } from './tuning.ts';
import { Version } from './versions.ts';

/**
 * A job: build-shards, then rounds of upload, create-batch, sleep-and-poll and fetch-results, a window of shards at
 * a time; lines without an answer go again in the next round; at the end the results are assembled.
 */
export async function batchJob(
  spec: JobSpec,
  snapshot?: JobSnapshot,
  tuning: JobTuning = {},
): Promise<JobReport> {
  tune(tuning);
  const run = new JobRun(spec, snapshot ?? newSnapshot(workflowInfo().startTime));
  const control = new JobControl(run);
  const display = new JobDisplay(run, control.inFlight);
  run.onChange = (moment) => {
    control.tokens.changed();
    display.show(moment);
  };
  setHandler(progressQuery, () => display.progress());
  control.listen();
  return await CancellationScope.nonCancellable(() => runJob(control, tuning));
}

async function runJob(job: JobControl, tuning: JobTuning): Promise<JobReport> {
  const { run } = job;
  const { spec, state } = run;
  const first: FirstPlan = state.plan ?? (await cutInput(run));
  if (state.transferQueues === true) useStepQueues();
  if (first.pass !== undefined && state.pass !== first.pass) state.plan = await beginPass(run, first.pass);
  if (first.cancelled === true) job.cancel();
  if (first.rebuy === true) state.rebuy = true;
  run.phase = JobState.Running;
  run.onChange();
  for (;;) {
    await runRound(job, state.plan!);
    if (run.isContinuing) {
      Object.assign(state, job.watch.carry());
      await continueAsNew<typeof batchJob>(spec, state, tuning);
    }
    run.onChange('round');
    if (state.again === 0) {
      if (await beginRebuyRound(run)) continue;
      break;
    }
    run.beginRound(await packRetries(run));
    // Packed so that every line has a shard; what of it was bought before a restart is still to be found.
    if (state.cancelled && !patched(Version.FindBought)) break;
  }
  if (run.sharesTokens) await job.tokens.leave();
  return await assemble(run);
}

/** Cuts the input into the shards of the first round; the plan also says what the store knows of the job. */
async function cutInput(run: JobRun): Promise<FirstPlan> {
  const { spec, state } = run;
  run.onChange();
  const name = spec.input.path.split(/[\\/]/).at(-1);
  const plan = await buildShards(`read, check and cut ${name}, ${sizeOf(spec.input.bytes)}`, spec);
  const { lines, rejected, kept = 0, models = [] } = plan;
  Object.assign(state, { lines: lines + rejected + kept, answered: kept, failed: rejected, models });
  state.transferQueues = plan.transferQueues === true;
  state.plan = plan;
  return plan;
}

/** Continues behind what the passes before have settled, with the lines that ended without an answer. */
async function beginPass({ spec, state }: JobRun, pass: number): Promise<RoundPlan> {
  const job = spec.jobId;
  const packing = `pack lines without an answer into shards of pass ${pass + 1}`;
  const { round, plan, report } = await buildPass(packing, { job, pass, ...shardSizes(spec) });
  Object.assign(state, {
    pass,
    round: plan.shards > 0 ? round + 1 : round,
    answered: report.answered,
    failed: report.failed + report.cancelled - plan.lines,
    created: report.batches,
    startedAt: report.started_at,
  });
  takeCosts(state, report);
  return plan;
}

/** Packs the lines of the round that go again into the next round's shards. */
function packRetries({ spec, state }: JobRun): Promise<RoundPlan> {
  const { round, cancelled, again, plan } = state;
  return buildRetryShards(`pack ${grouped(again)} lines that go again into shards of round ${round + 1}`, {
    job: spec.jobId,
    round,
    shards: plan!.shards,
    ...shardSizes(spec),
    cancelled,
  });
}

/** What bounds the size of a shard. */
function shardSizes({
  shardLines,
  shardBytes,
  tokenQueue,
}: JobSpec): Pick<JobSpec, 'shardLines' | 'shardBytes' | 'tokenQueue'> {
  return { shardLines, shardBytes, ...(tokenQueue === undefined ? {} : { tokenQueue }) };
}

/** Begins a round of the lines that ended without their paid answer, if they shall be bought again and there are any. */
async function beginRebuyRound(run: JobRun): Promise<boolean> {
  const { spec, state } = run;
  if (!run.buysAgain() || state.rebought === true || state.cancelled || !patched(Version.Rebuy)) return false;
  state.rebought = true;
  const packing = 'pack lines whose answers the API lost into shards of another round';
  const plan = await buildRebuyShards(packing, { job: spec.jobId, round: state.round, ...shardSizes(spec) });
  if (plan.shards === 0) return false;
  state.failed -= plan.lines;
  run.beginRound(plan);
  return true;
}

/** Joins the rows of all rounds into the results, and returns the report. */
async function assemble(run: JobRun): Promise<JobReport> {
  const { spec, state } = run;
  run.phase = JobState.Assembling;
  run.onChange();
  const rounds = `${grouped(state.round)} ${state.round === 1 ? 'round' : 'rounds'}`;
  const report = await assembleResults(`join the rows of ${rounds} into results.jsonl, add up the report`, {
    job: spec.jobId,
    rounds: state.round,
    cancelled: state.cancelled,
    startedAt: state.startedAt,
  });
  takeCosts(state, report); // known at the end only: what batches cost that were created on top of others
  run.phase = endStateOf(report);
  run.onChange();
  return report;
}
