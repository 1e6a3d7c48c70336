import {
  CancellationScope,
  condition,
  continueAsNew,
  patched,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { BoughtShard, FirstPlan, SettledRefusal, ShardCounts } from '../activities/index.ts';
import { grouped, sizeOf } from '../core/job-description.ts';
import { toListed } from '../core/job-listing.ts';
import type { JobSpec } from '../core/job-spec.ts';
import {
  endStateOf,
  JobState,
  SETTLED_SHOWN,
  SHARDS_SHOWN,
  type JobProgress,
  type JobReport,
  type SettledShard,
  type ShardView,
} from '../core/progress.ts';
import { shardId, shardIndex, type RoundPlan } from '../core/shard-plan.ts';
import { AccountGate, scaled, tunePatience } from './account-gate.ts';
import { RunningSteps } from './running-steps.ts';
import { accountRefusal, failureReason } from './step-failure.ts';
import {
  assembleResults,
  buildPass,
  buildRebuyShards,
  buildRetryShards,
  buildShards,
  findBought,
  tuneHeartbeat,
  tuneRetries,
  useStepQueues,
} from './activity-proxies.ts';
import { BatchWatch } from './batch-watch.ts';
import { detailsOf, noticesOf, type PauseCause } from './job-details.ts';
import { addShardCost } from './job-cost.ts';
import { newSnapshot, REFUSED_SHOWN, type JobSnapshot } from './job-snapshot.ts';
import { ListEntry, type ListMoment } from './list-entry.ts';
import {
  cancelSignal,
  pauseSignal,
  pollSignal,
  progressQuery,
  rebuySignal,
  resumeSignal,
} from './messages.ts';
import { GIVE_UP_STEPS, runShard, STEP_FAILURE, type ShardContext, type ShardRecord } from './shard-run.ts';

/** For tests, which want short runs and short waits; jobs have none of it. */
interface JobTuning {
  /** A run's length; the server's own suggestion is the rule. */
  readonly maxHistoryEvents?: number;
  /** See `tuneHeartbeat`. */
  readonly heartbeatMs?: number;
  /** See `tuneRetries`. */
  readonly retryMs?: number;
  /** Scales the waits of the workflow, as `DURABLE_BATCH_PATIENCE` scales those of activities. @default 1 */
  readonly patience?: number;
}

/** The version of this workflow that looks for what was bought before it ends a cancelled round. */
const FIND_BOUGHT = 'find-bought';

/** The version that does not take a pause for the end of a round. */
const HELD_AGAIN = 'held-again';

/** The version in which a cancel of Temporal's own reaches the API at once, and not 20 s later. */
const OUTSIDE_CANCEL = 'outside-cancel';

/** The version in which `--rebuy` buys again what has ended without its paid answer. */
const REBUY = 'rebuy';

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
  if (tuning.patience !== undefined) tunePatience(tuning.patience);
  if (tuning.retryMs !== undefined) tuneRetries(tuning.retryMs);
  const job = new Job(spec, snapshot ?? newSnapshot(workflowInfo().startTime), tuning);
  job.listen();
  // A cancellation from Temporal's side means what our signal means: what was paid is kept.
  void CancellationScope.current().cancelRequested.catch(() => outsideCancel(() => job.cancel()));
  return await CancellationScope.nonCancellable(() => job.run());
}

/**
 * Does what somebody has asked the job for outside the workflow's own scope: once that is cancelled, every step begun in it ends
 * at once, the cancel of a batch as well.
 */
function outsideCancel(act: () => void): void {
  if (patched(OUTSIDE_CANCEL)) void CancellationScope.nonCancellable(async () => act());
  else act();
}

class Job {
  private readonly spec: JobSpec;
  private readonly state: JobSnapshot;
  private readonly tuning: JobTuning;
  private readonly watch: BatchWatch;
  private readonly gate: AccountGate;
  private readonly steps = new RunningSteps();
  private parking = false;
  private readonly entry: ListEntry;
  private phase: JobState;

  constructor(spec: JobSpec, state: JobSnapshot, tuning: JobTuning) {
    this.spec = spec;
    this.state = state;
    this.tuning = tuning;
    this.phase = state.plan === null ? JobState.Building : JobState.Running;
    this.entry = new ListEntry(spec.labels);
    if (state.window === 0) state.window = spec.inFlight;
    state.account ??= { refused: null, probes: 0 };
    state.stuck = null; // each run tries once more
    const isParking = (): boolean => this.parking;
    this.gate = new AccountGate(state.account, {
      isParking,
      onChange: () => {
        if (this.gate.reason === null) this.watch.onAccepted();
        this.showDetails();
      },
    });
    this.watch = new BatchWatch(spec.jobId, spec.pollMs, state, {
      pass: () => state.pass ?? 0,
      onLost: (reason) => {
        state.lost = reason;
        this.showDetails();
      },
      onRefused: (reason) => this.gate.refuse(reason),
      untilAccepted: (step) => this.gate.untilOpen({ ...step, isHeld: () => false, leaves: isParking }),
      onSeen: () => this.showDetails('poll'),
    });
  }

  listen(): void {
    setHandler(progressQuery, () => this.progress());
    setHandler(cancelSignal, () => outsideCancel(() => this.cancel()));
    setHandler(pauseSignal, (reason) => this.pause(reason));
    setHandler(resumeSignal, () => outsideCancel(() => this.resume()));
    setHandler(pollSignal, () => this.watch.wake());
    setHandler(rebuySignal, () => {
      this.state.rebuy = true;
    });
  }

  async run(): Promise<JobReport> {
    const { spec, state } = this;
    let known: FirstPlan | null = state.plan;
    if (known === null) {
      this.showDetails();
      const name = spec.input.path.split(/[\\/]/).at(-1);
      known = await buildShards(`read, check and cut ${name}, ${sizeOf(spec.input.bytes)}`, spec);
      const { lines, rejected, kept = 0, models = [] } = known;
      Object.assign(state, { lines: lines + rejected + kept, answered: kept, failed: rejected, models });
      state.transferQueues = known.transferQueues === true;
      state.plan = known;
    }
    if (state.transferQueues === true) useStepQueues();
    if (known.pass !== undefined && state.pass !== known.pass) state.plan = await this.beginPass(known.pass);
    if (known.cancelled === true) this.cancel();
    if (known.rebuy === true) state.rebuy = true;
    this.phase = JobState.Running;
    this.showDetails();
    for (;;) {
      await this.runRound(state.plan!);
      if (this.parking) {
        Object.assign(state, this.watch.carry());
        await continueAsNew<typeof batchJob>(spec, state, this.tuning);
      }
      this.showDetails('round');
      if (state.again === 0) {
        if (await this.beginRebuyRound()) continue;
        break;
      }
      const { shardLines, shardBytes } = spec;
      const { round, cancelled } = state;
      const packing = `pack ${grouped(state.again)} lines that go again into shards of round ${round + 1}`;
      const plan = await buildRetryShards(packing, {
        job: spec.jobId,
        round,
        shards: state.plan!.shards,
        shardLines,
        shardBytes,
        cancelled,
      });
      this.beginRound(plan);
      // Packed so that every line has a shard; what of it was bought before a restart is still to be found.
      if (state.cancelled && !patched(FIND_BOUGHT)) break;
    }
    this.phase = JobState.Assembling;
    this.showDetails();
    const { jobId } = spec;
    const joining = `join the rows of ${grouped(state.round)} ${state.round === 1 ? 'round' : 'rounds'} into results.jsonl, add up the report`;
    const report = await assembleResults(joining, {
      job: jobId,
      rounds: state.round,
      cancelled: state.cancelled,
      startedAt: state.startedAt,
    });
    // Found at the end: what batches cost that were created on top of others.
    Object.assign(state, {
      inputTokens: report.input_tokens,
      outputTokens: report.output_tokens,
      costUsd: report.cost_usd,
      costUsdWithoutBatch: report.cost_usd_without_batch,
    });
    this.phase = endStateOf(report);
    this.showDetails();
    return report;
  }

  private beginRound(plan: RoundPlan): void {
    const { state } = this;
    const round = state.round + 1;
    Object.assign(state, { round, plan, next: 0, unsent: [], lookedForBought: false, done: 0, again: 0 });
  }

  /** Goes on behind what the passes before have settled, with the lines that ended without an answer. */
  private async beginPass(pass: number): Promise<RoundPlan> {
    const { spec, state } = this;
    const { jobId: job, shardLines, shardBytes } = spec;
    const packing = `pack lines without an answer into shards of pass ${pass + 1}`;
    const { round, plan, report } = await buildPass(packing, { job, pass, shardLines, shardBytes });
    Object.assign(state, {
      pass,
      round: plan.shards > 0 ? round + 1 : round,
      answered: report.answered,
      failed: report.failed + report.cancelled - plan.lines,
      created: report.batches,
      inputTokens: report.input_tokens,
      outputTokens: report.output_tokens,
      costUsd: report.cost_usd,
      costUsdWithoutBatch: report.cost_usd_without_batch,
      startedAt: report.started_at,
    });
    return plan;
  }

  /** Begins a round of the lines that ended without their paid answer, if they shall be bought again and there are any. */
  private async beginRebuyRound(): Promise<boolean> {
    const { spec, state } = this;
    if (!this.buysAgain() || state.rebought === true || state.cancelled || !patched(REBUY)) return false;
    state.rebought = true;
    const { jobId: job, shardLines, shardBytes } = spec;
    const packing = 'pack lines whose answers the API lost into shards of another round';
    const plan = await buildRebuyShards(packing, { job, round: state.round, shardLines, shardBytes });
    if (plan.shards === 0) return false;
    state.failed -= plan.lines;
    this.beginRound(plan);
    return true;
  }

  private buysAgain(): boolean {
    return this.spec.rebuy || this.state.rebuy === true;
  }

  cancel(): void {
    this.state.cancelled = true;
    this.state.stuck = null; // what a cancelled job has bought is read once more, and settled as far as it can be
    this.gate.hurry();
    this.steps.giveUpSending();
    this.watch.cancelAll();
    this.showDetails();
  }

  pause(reason: string): void {
    this.state.paused = reason;
    this.showDetails();
  }

  resume(): void {
    this.state.paused = null;
    this.state.lost = null;
    this.state.stuck = null;
    this.gate.forget();
    this.gate.open();
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
      if (failure !== null || this.mustPark()) break;
      if (!this.mayBegin(plan)) {
        if (this.mayHaveBought(plan)) {
          for (const shard of await this.takeUpBought(plan)) begin(shard);
          continue;
        }
        const isOver = running === 0 && this.isRoundOver(plan);
        // What let the next shard begin may have been followed, in the same task, by a pause or a refusal.
        if (isOver || !patched(HELD_AGAIN)) break;
        continue;
      }
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
    const isOver = (): boolean => running === 0 && this.isRoundOver(plan) && !this.mayHaveBought(plan);
    if (failure === null && this.mustPark() && !isOver()) {
      this.parking = true;
      if (patched(GIVE_UP_STEPS)) {
        this.steps.giveUpAll();
        // Polls go on until the last step has ended.
        await condition(() => failure !== null || running <= this.watch.batchIds().length);
      }
      this.watch.parkAll();
    }
    await condition(() => failure !== null || running === 0);
    if (failure !== null) throw failure;
    stopped = true;
    await polling;
    if (this.parking && isOver()) this.parking = false;
  }

  /** A cancelled round may have shards that were bought and that this history knows nothing of. */
  private mayHaveBought(plan: RoundPlan): boolean {
    const { cancelled, lookedForBought = false, next, unsent = [] } = this.state;
    return cancelled && !lookedForBought && (next < plan.shards || unsent.length > 0) && patched(FIND_BOUGHT);
  }

  /** The records of shards that a cancelled round has not sent and that have a batch, or an outcome, all the same. */
  private async takeUpBought(plan: RoundPlan): Promise<ShardRecord[]> {
    const { spec, state } = this;
    const shards = [...(state.unsent ?? [])];
    for (let index = state.next; index < plan.shards; index += 1) shards.push(shardId(state.round, index));
    for (;;) {
      try {
        const bought = await findBought(
          `look for batches of ${grouped(shards.length)} shards that were not sent`,
          {
            job: spec.jobId,
            shards,
            ...(state.pass === undefined ? {} : { pass: state.pass }),
          },
        );
        const records = bought.map((found) => takenUp(found, plan));
        Object.assign(state, { next: plan.shards, lookedForBought: true });
        state.active.push(...records);
        return records;
      } catch (error) {
        const reason = accountRefusal(error);
        if (reason !== null) this.gate.refuse(reason);
        else if (patched(STEP_FAILURE)) this.stuckAt('batches of shards that were not sent', error);
        else throw error;
        await this.gate.untilOpen({
          isHeld: () => this.isStuck(),
          accepted: () => state.lookedForBought === true,
          leaves: () => this.mustPark(),
        });
        if (this.mustPark()) return [];
      }
    }
  }

  private async settle(shard: ShardRecord): Promise<void> {
    const { state } = this;
    const end = await runShard(shard, this.context);
    if (end === 'parked') return; // stays active: the next run takes it up
    state.active.splice(state.active.indexOf(shard), 1);
    state.done += 1;
    if (end === 'not sent') (state.unsent ??= []).push(shard.id);
    else this.count(shard, end.counts);
    this.showDetails();
  }

  private count(shard: ShardRecord, counts: ShardCounts): void {
    const { state } = this;
    addShardCost(state, counts);
    state.answered += counts.answered;
    state.failed += counts.failed;
    state.again += counts.again;
    state.inputTokens += counts.inputTokens;
    state.outputTokens += counts.outputTokens;
    if (counts.refused !== undefined) {
      state.refused = [...(state.refused ?? []), counts.refused].slice(0, REFUSED_SHOWN);
      state.refusedShards = (state.refusedShards ?? 0) + 1;
    }
    state.settled = [settledView(shard, counts), ...(state.settled ?? [])].slice(0, SETTLED_SHOWN);
    if (counts.accountRefused !== undefined) {
      this.gate.refuse(`the API refused the account: ${counts.accountRefused} in rows of ${shard.batchId}`);
    } else if (shard.batchId !== undefined) {
      this.gate.forget();
      if (state.window < this.spec.inFlight) state.window += 1; // a batch ended: its allowance is free again
    }
  }

  private mayBegin(plan: RoundPlan): boolean {
    const { state } = this;
    return (
      !state.cancelled && !this.isPaused() && state.next < plan.shards && state.active.length < state.window
    );
  }

  /** True while nothing new is to be sent, for another reason than the account. */
  private isHeld(): boolean {
    const { paused, lost } = this.state;
    return paused !== null || (lost ?? null) !== null || this.isStuck();
  }

  /** Pauses the job until `resume` or a cancel: no retry helps this step, and the job cannot end without it. */
  private stuckAt(step: string, error: unknown): void {
    this.state.stuck = `${step}: ${failureReason(error)}`;
    this.showDetails();
  }

  private isStuck(): boolean {
    return (this.state.stuck ?? null) !== null;
  }

  private isPaused(): boolean {
    return this.isHeld() || this.gate.reason !== null;
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
        return job.buysAgain();
      },
      get giveUpAfterMs() {
        return job.spec.giveUpAfterMs;
      },
      get watch() {
        return job.watch;
      },
      get steps() {
        return job.steps;
      },
      isParking: () => this.parking,
      isCancelled: () => this.state.cancelled,
      isPauseAskedFor: () => this.state.paused !== null,
      untilRunning: (step) => this.gate.untilOpen({ ...step, isHeld: () => this.isHeld(), leaves: stopping }),
      untilAccepted: (step) =>
        this.gate.untilOpen({ ...step, isHeld: () => this.isStuck(), leaves: () => this.parking }),
      onRefused: (reason) => this.gate.refuse(reason),
      onStuck: (step, error) => this.stuckAt(step, error),
      backOff: async (refusals, summary) => {
        this.state.window = Math.max(1, Math.floor(this.state.active.length / 2));
        const before = this.state.done;
        const wait = scaled(BACK_OFF_MS[Math.min(refusals, BACK_OFF_MS.length) - 1]!);
        // A batch of this job that ends gives allowance back at once; others' batches are waited for.
        await condition(() => stopping() || this.state.done > before, wait, { summary });
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
      reason: this.shownReason(),
      notices: noticesOf({
        isRefused: this.gate.reason !== null,
        overdue: this.watch.overdue(),
        duplicates: this.watch.duplicates(),
        active: state.active,
        refused: state.refused ?? [],
        refusedShards: state.refusedShards ?? 0,
        watch: this.watch.troubles(),
      }),
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
      startedAt: state.startedAt,
      uploaded: this.uploadedLines(),
      costUsd: state.costUsd ?? null,
      costUsdWithoutBatch: state.costUsdWithoutBatch ?? null,
      table: state.active.slice(0, SHARDS_SHOWN).map((shard) => this.viewOf(shard)),
      settled: state.settled ?? [],
    };
  }

  private uploadedLines(): number {
    const { plan, next, active } = this.state;
    const sum = (lines: readonly number[]): number => lines.reduce((total, n) => total + n, 0);
    const waiting = active.filter(({ fileId, batchId }) => fileId === undefined && batchId === undefined);
    return sum(plan?.shardLines.slice(0, next) ?? []) - sum(waiting.map(({ lines }) => lines));
  }

  private viewOf({ id, lines, fileId, batchId, sentAt, ended }: ShardRecord): ShardView {
    const sight = batchId === undefined ? null : this.watch.sightOf(batchId);
    const before = fileId === undefined ? 'waiting' : 'uploaded';
    const sent = ended === true ? 'fetching' : (sight?.status ?? 'created');
    return {
      id,
      state: batchId === undefined ? before : sent,
      lines,
      completed: sight?.completed ?? 0,
      failed: sight?.failed ?? 0,
      batchId: batchId ?? null,
      sentAt: sentAt === undefined ? null : new Date(sentAt).toISOString(),
    };
  }

  private shownState(): JobState {
    if (this.phase !== JobState.Running) return this.phase;
    if (this.state.cancelled) return JobState.Cancelling;
    return this.isPaused() ? JobState.Paused : JobState.Running;
  }

  private shownReason(): string | null {
    const { lost, stuck, paused, cancelled } = this.state;
    return this.gate.reason ?? stuck ?? lost ?? (cancelled ? null : paused);
  }

  private pauseCause(): PauseCause {
    if (this.gate.reason !== null) return 'account';
    if (this.isStuck()) return 'stuck';
    return (this.state.lost ?? null) === null ? 'asked' : 'lost';
  }

  /** What the Web UI shows on the job's page, and the job's entry in the server's list. */
  private showDetails(moment: ListMoment = 'change'): void {
    const progress = this.progress();
    const details = { now: Date.now(), active: this.state.active.length, pausedFor: this.pauseCause() };
    setCurrentDetails(detailsOf(progress, details));
    const oldest = this.watch.oldestSentAt();
    const listed = toListed(progress, oldest === null ? null : new Date(oldest).toISOString());
    const { models = [] } = this.state;
    this.entry.update({ progress: listed, models, batchIds: this.watch.batchIds() }, moment);
  }
}

/** The record of a shard that another history of the job has bought, or settled without a batch. */
function takenUp(found: BoughtShard | SettledRefusal, plan: RoundPlan): ShardRecord {
  const { shard: id, batch } = found;
  const begun = { id, lines: plan.shardLines[shardIndex(id)] ?? 0, upload: 1, batch, refusals: 0 };
  if ('refused' in found) return { ...begun, refused: found.refused };
  const { batchId, createdAt, settled } = found;
  return { ...begun, batchId, createdAt, ended: settled };
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
