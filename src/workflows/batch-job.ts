import {
  CancellationScope,
  condition,
  continueAsNew,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { ShardCounts } from '../activities/index.ts';
import type { JobSpec } from '../core/job-spec.ts';
import { JobState, type JobProgress, type JobReport } from '../core/progress.ts';
import { shardId, type RoundPlan } from '../core/shard-plan.ts';
import {
  assembleResults,
  buildRetryShards,
  buildShards,
  tuneHeartbeat,
  tuneRetries,
} from './activity-proxies.ts';
import { BatchWatch } from './batch-watch.ts';
import { cancelSignal, pauseSignal, pollSignal, progressQuery, resumeSignal } from './messages.ts';
import { runShard, type ShardContext, type ShardRecord } from './shard-run.ts';

/** What one run of a job hands to the next: everything that is not in the store. Its size is that of the shards in flight. */
interface JobSnapshot {
  round: number;
  plan: RoundPlan | null;
  /** Index of the first shard of the round that was not begun. */
  next: number;
  active: ShardRecord[];
  done: number;
  answered: number;
  failed: number;
  /** Lines of this round that go again. */
  again: number;
  inputTokens: number;
  outputTokens: number;
  created: number;
  lines: number;
  paused: string | null;
  cancelled: boolean;
  /** How many shards may be in flight: `inFlight`, lower after refusals for want of allowance. */
  window: number;
  startedAt: string;
}

/** For tests, which want short runs and short waits; jobs have none of it. */
interface JobTuning {
  /** A run's length; the server's own suggestion is the rule. */
  readonly maxHistoryEvents?: number;
  /** See `tuneHeartbeat`. */
  readonly heartbeatMs?: number;
  /** See `tuneRetries`. */
  readonly retryMs?: number;
  /** Scales the workflow's own waits for a slow API, as `Dependencies.patience` does those of activities. @default 1 */
  readonly patience?: number;
}

/** Waits before a refused batch is created again: allowance comes back when batches end, files appear within minutes. */
const BACK_OFF_MS = [30_000, 60_000, 120_000, 300_000, 900_000] as const;

/**
 * A job: build-shards, then rounds of upload, create-batch, sleep-and-poll and fetch-results, a window of shards at
 * a time; lines without an answer go again in the next round; at the end the results are assembled.
 */
export async function batchJob(
  spec: JobSpec,
  snapshot?: JobSnapshot,
  tuning: JobTuning = {},
): Promise<JobReport> {
  if (tuning.heartbeatMs !== undefined) tuneHeartbeat(tuning.heartbeatMs);
  if (tuning.retryMs !== undefined) tuneRetries(tuning.retryMs);
  const job = new Job(spec, snapshot ?? newSnapshot(), tuning);
  job.listen();
  // A cancellation from Temporal's side means what our signal means: what was paid is kept.
  void CancellationScope.current().cancelRequested.catch(() => job.cancel());
  return await CancellationScope.nonCancellable(() => job.run());
}

function newSnapshot(): JobSnapshot {
  return {
    round: 1,
    plan: null,
    next: 0,
    active: [],
    done: 0,
    answered: 0,
    failed: 0,
    again: 0,
    inputTokens: 0,
    outputTokens: 0,
    created: 0,
    lines: 0,
    paused: null,
    cancelled: false,
    window: 0,
    startedAt: workflowInfo().startTime.toISOString(),
  };
}

class Job {
  private readonly spec: JobSpec;
  private readonly state: JobSnapshot;
  private readonly tuning: JobTuning;
  private readonly watch: BatchWatch;
  private parking = false;
  private phase: JobState = JobState.Building;

  constructor(spec: JobSpec, state: JobSnapshot, tuning: JobTuning) {
    this.spec = spec;
    this.state = state;
    this.tuning = tuning;
    if (state.window === 0) state.window = spec.inFlight;
    this.watch = new BatchWatch(spec.jobId, spec.pollMs, {
      onTrouble: (reason) => this.pause(reason),
      untilRunning: () => condition(() => this.state.paused === null || this.parking),
      patience: tuning.patience ?? 1,
    });
  }

  listen(): void {
    setHandler(progressQuery, () => this.progress());
    setHandler(cancelSignal, () => this.cancel());
    setHandler(pauseSignal, (reason) => this.pause(reason));
    setHandler(resumeSignal, () => this.resume());
    setHandler(pollSignal, () => this.watch.wake());
  }

  async run(): Promise<JobReport> {
    const { spec, state } = this;
    if (state.plan === null) {
      state.plan = await buildShards(spec);
      state.lines = state.plan.lines + state.plan.rejected;
      state.failed = state.plan.rejected;
    }
    this.phase = JobState.Running;
    for (;;) {
      await this.runRound(state.plan);
      if (this.parking) await continueAsNew<typeof batchJob>(spec, state, this.tuning);
      if (state.again === 0) break;
      const { shardLines, shardBytes } = spec;
      const { round, cancelled } = state;
      const plan = await buildRetryShards({
        job: spec.jobId,
        round,
        shards: state.plan.shards,
        shardLines,
        shardBytes,
        cancelled,
      });
      Object.assign(state, { round: state.round + 1, plan, next: 0, done: 0, again: 0 });
      if (state.cancelled) break; // packed so that every line has a shard; assemble ends them
    }
    this.phase = JobState.Assembling;
    this.showDetails();
    const { jobId } = spec;
    const report = await assembleResults({
      job: jobId,
      rounds: state.round,
      cancelled: state.cancelled,
      startedAt: state.startedAt,
    });
    this.phase = JobState.Done;
    this.showDetails();
    return report;
  }

  cancel(): void {
    this.state.cancelled = true;
    this.watch.cancelAll();
  }

  pause(reason: string): void {
    this.state.paused = reason;
    this.showDetails();
  }

  resume(): void {
    this.state.paused = null;
    this.watch.wake();
    this.showDetails();
  }

  /** Runs the shards of a round, a window at a time, until all are settled or the run has to end. */
  private async runRound(plan: RoundPlan): Promise<void> {
    const { state } = this;
    let stopped = false;
    let failure: unknown = null;
    if (state.cancelled) this.watch.cancelAll();
    const polling = this.watch
      .run(() => stopped)
      .catch((error: unknown) => {
        failure ??= error;
      });
    let running = 0;
    const begin = (shard: ShardRecord): void => {
      running += 1;
      void this.settle(shard)
        .catch((error: unknown) => {
          failure ??= error;
        })
        .finally(() => {
          running -= 1;
        });
    };
    for (const shard of state.active) begin(shard);
    for (;;) {
      // A paused round with nothing in flight is not over: its other shards are still to come.
      await condition(
        () =>
          failure !== null ||
          this.mustPark() ||
          this.mayBegin(plan) ||
          (running === 0 && this.isRoundOver(plan)),
      );
      if (failure !== null || this.mustPark() || !this.mayBegin(plan)) break;
      const shard: ShardRecord = {
        id: shardId(state.round, state.next),
        lines: plan.shardLines[state.next] ?? 0,
        upload: 1,
        batch: 1,
        refusals: 0,
      };
      state.next += 1;
      state.active.push(shard);
      begin(shard);
    }
    if (failure === null && this.mustPark() && !(running === 0 && this.isRoundOver(plan))) {
      this.parking = true;
      this.watch.parkAll();
    }
    await condition(() => failure !== null || running === 0);
    if (failure !== null) throw failure;
    stopped = true;
    await polling;
    if (this.parking && this.isRoundOver(plan)) this.parking = false;
  }

  private async settle(shard: ShardRecord): Promise<void> {
    const { state } = this;
    const end = await runShard(shard, this.context);
    if (end === 'parked') return; // stays active: the next run takes it up
    state.active.splice(state.active.indexOf(shard), 1);
    state.done += 1;
    if (end !== 'not sent') this.count(end.counts);
    this.showDetails();
  }

  private count(counts: ShardCounts): void {
    const { state } = this;
    state.answered += counts.answered;
    state.failed += counts.failed;
    state.again += counts.again;
    state.inputTokens += counts.inputTokens;
    state.outputTokens += counts.outputTokens;
    if (state.window < this.spec.inFlight) state.window += 1; // a batch ended: its allowance is free again
  }

  private mayBegin(plan: RoundPlan): boolean {
    const { state } = this;
    return (
      !state.cancelled &&
      state.paused === null &&
      state.next < plan.shards &&
      state.active.length < state.window
    );
  }

  private isRoundOver(plan: RoundPlan): boolean {
    return this.state.active.length === 0 && (this.state.cancelled || this.state.next >= plan.shards);
  }

  private mustPark(): boolean {
    const { continueAsNewSuggested, historyLength } = workflowInfo();
    return (
      continueAsNewSuggested || historyLength >= (this.tuning.maxHistoryEvents ?? Number.POSITIVE_INFINITY)
    );
  }

  private readonly context: ShardContext = this.createContext();

  private createContext(): ShardContext {
    const stopping = (): boolean => this.parking || this.state.cancelled;
    // oxlint-disable-next-line typescript/no-this-alias -- the getters below read the job that is being constructed
    const job = this;
    return {
      get job() {
        return job.spec.jobId;
      },
      get attempts() {
        return job.spec.attempts;
      },
      get rebuy() {
        return job.spec.rebuy;
      },
      get giveUpAfterMs() {
        return job.spec.giveUpAfterMs;
      },
      get watch() {
        return job.watch;
      },
      isParking: () => this.parking,
      isCancelled: () => this.state.cancelled,
      untilRunning: () => condition(() => this.state.paused === null || stopping()),
      pause: (reason) => this.pause(reason),
      backOff: async (refusals) => {
        this.state.window = Math.max(1, Math.floor(this.state.active.length / 2));
        const before = this.state.done;
        const wait = BACK_OFF_MS[Math.min(refusals, BACK_OFF_MS.length) - 1]! * (this.tuning.patience ?? 1);
        // A batch of this job that ends gives allowance back at once; others' batches are waited for.
        await condition(() => stopping() || this.state.done > before, wait);
      },
      onCreated: () => {
        this.state.created += 1;
        this.showDetails();
      },
    };
  }

  private progress(): JobProgress {
    const { spec, state } = this;
    const { running, byStatus } = this.watch.seen();
    const total = state.plan?.shards ?? 0;
    const inFlight = state.active.filter(({ batchId }) => batchId !== undefined).length;
    return {
      jobId: spec.jobId,
      state: this.shownState(),
      reason: state.paused,
      round: state.round,
      lines: state.lines,
      answered: state.answered,
      failed: state.failed,
      running,
      shards: { total, waiting: total - state.done - inFlight, inFlight, done: state.done },
      batches: byStatus,
      created: state.created,
      inputTokens: state.inputTokens,
      outputTokens: state.outputTokens,
    };
  }

  private shownState(): JobState {
    if (this.phase !== JobState.Running) return this.phase;
    if (this.state.cancelled) return JobState.Cancelling;
    return this.state.paused === null ? JobState.Running : JobState.Paused;
  }

  /** What the Web UI shows on the job's page. */
  private showDetails(): void {
    const { state, round, lines, answered, failed, shards, created, reason } = this.progress();
    setCurrentDetails(
      [
        `**${state}**${reason === null ? '' : `: ${reason}`}`,
        '',
        '| round | lines | answered | failed | shards done | in flight | batches created |',
        '|---|---|---|---|---|---|---|',
        `| ${round} | ${lines} | ${answered} | ${failed} | ${shards.done} of ${shards.total} | ${shards.inFlight} | ${created} |`,
      ].join('\n'),
    );
  }
}
