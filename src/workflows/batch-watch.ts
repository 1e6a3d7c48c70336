import { ActivityFailure, CancellationScope, condition, patched, TimeoutFailure } from '@temporalio/workflow';
import type { BatchReading, WatchedBatch, WatchReply } from '../activities/index.ts';
import { groupBatches } from '../core/batch-groups.ts';
import { isTerminal } from '../core/batch-status.ts';
import { grouped } from '../core/job-description.ts';
import { pollLength, nextPollDelay } from '../core/poll-schedule.ts';
import type { AccountGate } from './account-gate.ts';
import { pollBatches, watchBatches } from './activity-proxies.ts';
import { BatchCancels } from './batch-cancels.ts';
import type { BatchesInFlight } from './batches-in-flight.ts';
import type { CarriedWatch, JobRun } from './job-state.ts';
import { accountRefusal, failureReason } from './step-failure.ts';
import { scaled } from './tuning.ts';
import { Version } from './versions.ts';
import { readingsOf, toNamed } from './watch-reply.ts';
import {
  isNearEnd,
  isNews,
  newWatch,
  nextDue,
  noteMissing,
  noteUnheard,
  type Watch,
  type WatchEnd,
  type WatchTimes,
} from './watched-batch.ts';

/** A poll in a queue of its own runs for so long at least, and so does one whose interval is shorter than a timer. */
const SHORTEST_POLL_MS = 1_000;

/** A poll that no worker of its queue takes for so long is replaced by a short one in the main queue. */
const QUEUED_MS = 120_000;

/** A poll that would run, or be retried, for longer than this makes way for one that includes a new batch. */
const NEW_BATCH_MS = 10_000;

/** As long as a slow poll may take: the wait doubles up to this, so that slow polls end while new batches keep coming. */
const LONGEST_NEW_BATCH_MS = 10 * 60_000;

/** The server fires timers to the second: the poll itself waits for shorter times, at no event of its own. */
const SHORTEST_TIMER_MS = 1_000;

/** Longer waits, of jobs that are to be polled rarely, are timers: heartbeats would cost more. */
const LONGEST_IN_POLL_MS = 60_000;

/** A poll that failed permanently is followed by another one: no job ends while a batch is on record and unread. */
const AFTER_FAILURE_MS = 60_000;

/**
 * The one sleep-and-poll loop of a job: however many batches are in flight, a cycle is one activity, which runs while nothing
 * changes; or a timer and a short poll where polls have no queue of their own.
 */
export class BatchWatch {
  private readonly jobRun: JobRun;
  private readonly gate: AccountGate;
  private readonly inFlight: BatchesInFlight;
  private readonly cancels: BatchCancels;
  private readonly begunAt = Date.now();
  /** Null where an earlier run has not handed on when something last changed. */
  private readonly carriedAt: number | null;
  private changedAt: number;
  private polls = 0;
  private pollNow = false;
  private pollQueue: boolean;
  private polledAt = 0;
  /** When the poll that runs will end by itself. */
  private pollsUntil = 0;
  /** True if a batch was added that the poll that runs does not include. */
  private hasNewBatch = false;
  /** How many polls have made way for a new batch while they were retried, or slow, since the last fast one. */
  private madeWay = 0;
  private handingOver = false;

  constructor(run: JobRun, gate: AccountGate, inFlight: BatchesInFlight) {
    const { changedAt, pollQueue } = run.state;
    this.jobRun = run;
    this.gate = gate;
    this.inFlight = inFlight;
    this.cancels = new BatchCancels(run, gate, inFlight);
    this.cancels.onTried = (watch) => this.pollBy(nextDue(watch, this.cancels.ofAll));
    this.carriedAt = changedAt ?? null;
    this.changedAt = changedAt ?? this.begunAt;
    this.pollQueue = pollQueue ?? false;
  }

  /** Resolves when the batch has ended, or when the run continues as new. */
  async untilEnded(batch: WatchedBatch, times: WatchTimes): Promise<WatchEnd> {
    if (this.handingOver) return 'continued';
    const takenUp = this.carriedAt !== null && times.createdAt < this.begunAt;
    const ended = new Promise<WatchEnd>((resolve) => {
      this.inFlight.add(newWatch({ ...batch, ...times }, takenUp, resolve));
    });
    if (!takenUp) {
      this.changedAt = Date.now(); // a new batch may end soon: poll often again
      this.hasNewBatch = true;
      this.pollBy(this.changedAt + NEW_BATCH_MS);
    }
    return await ended;
  }

  /** Polls until `stopped` holds and nothing is watched any more. */
  async run(stopped: () => boolean): Promise<void> {
    for (;;) {
      await condition(() => this.inFlight.size > 0 || stopped());
      if (this.inFlight.size === 0) return;
      const shortMs = await this.sleepUntilDue();
      if (this.handingOver) this.inFlight.endAll('continued');
      else await this.pollPatiently(shortMs);
    }
  }

  /** Ends the current sleep. */
  wake(): void {
    this.pollNow = true;
  }

  /** Ends the running poll for another one, if it would run longer than until `time`. */
  private pollBy(time: number): void {
    if (this.pollsUntil > time) this.pollNow = true;
  }

  /** Cancels every batch at the API; their ends are still waited for. */
  cancelAll(): void {
    this.cancels.ofAll = true;
    this.pollNow = true;
    if (this.inFlight.size > 0 && patched(Version.CancelAtOnce)) this.cancels.beginDue();
  }

  /** The account is accepted: cancels that were refused for it are tried again. */
  onAccepted(): void {
    if (patched(Version.CancelAtOnce)) this.cancels.onAccepted();
  }

  /** Ends all waits, so that the run can continue as new. */
  handOver(): void {
    this.handingOver = true;
    this.pollNow = true;
  }

  /** What the next run's watch begins with. */
  carry(): CarriedWatch {
    return { changedAt: this.changedAt, pollQueue: this.pollQueue };
  }

  /** Sleeps until the next poll is due; returns what is left to the poll itself. */
  private async sleepUntilDue(): Promise<number> {
    if (this.pollNow) {
      this.pollNow = false;
      return 0;
    }
    const delay = nextPollDelay({
      smallestMs: this.jobRun.spec.pollMs,
      quietMs: this.quietMs(),
      nearEnd: this.inFlight.all().some(isNearEnd),
    });
    if (this.pollQueue && delay <= LONGEST_IN_POLL_MS) return this.untilDue(delay);
    if (delay < SHORTEST_TIMER_MS) return delay;
    await condition(() => this.pollNow, delay, {
      summary: `until the next poll of ${counted(this.inFlight.size)}`,
    });
    this.pollNow = false;
    return 0;
  }

  private quietMs(): number {
    return Date.now() - this.changedAt;
  }

  private untilDue(delay: number): number {
    return Math.max(0, this.polledAt + delay - Date.now());
  }

  /**
   * A poll that the API refuses for its key pauses the job until the key is accepted, or until `resume`. After any other
   * failure of the step the batches are polled again: they are on record, and must be read.
   */
  private async pollPatiently(shortMs: number): Promise<void> {
    try {
      await this.poll(shortMs);
      this.polls += 1;
      this.inFlight.failure = null;
    } catch (error) {
      if (isUnserved(error)) {
        this.pollQueue = false;
        this.pollNow = true;
        return;
      }
      const reason = accountRefusal(error);
      if (reason === null) {
        if (!(error instanceof ActivityFailure)) throw error;
        this.inFlight.failure = failureReason(error);
        this.jobRun.onChange('poll');
        const isWoken = (): boolean => this.pollNow || this.handingOver;
        await condition(isWoken, scaled(AFTER_FAILURE_MS), {
          summary: 'until the next poll after a failure',
        });
        return;
      }
      this.gate.refuse(reason);
      const before = this.polls;
      await this.gate.untilOpen({
        isHeld: () => false,
        accepted: () => this.polls > before,
        leaves: () => this.jobRun.isContinuing,
      });
    }
  }

  private async poll(afterMs: number): Promise<void> {
    if (patched(Version.CancelAtOnce)) this.cancels.beginDue();
    else await this.cancels.awaitDue();
    const batches = this.inFlight.all();
    const readings = patched(Version.WatchBatches)
      ? await this.pollForChanges(batches, afterMs)
      : await this.pollAll(batches, afterMs);
    if (readings === null) return;
    this.polledAt = Date.now();
    this.inFlight.noteUnread(batches, readings);
    for (const reading of readings) this.take(reading);
    this.jobRun.onChange('poll');
  }

  /** Takes over what a poll has read of a batch; ends its wait when it has ended. */
  private take(reading: BatchReading): void {
    const watch = this.inFlight.get(reading.batchId);
    if (watch === undefined) return;
    if (reading.unknownStatus !== undefined) this.inFlight.noteUnknownStatus(reading.unknownStatus);
    if (isNews(watch, reading)) this.changedAt = Date.now();
    watch.reading = reading;
    noteUnheard(watch);
    if (reading.status === 'missing') {
      if (noteMissing(watch))
        this.pauseAs(
          `the API does not know batch ${reading.batchId}: wrong key, other project or other base URL`,
        );
      return;
    }
    watch.missingSince = null;
    if (watch.lost) {
      watch.lost = false;
      if (!this.inFlight.all().some(({ lost }) => lost)) this.pauseAs(null);
    }
    if (!isTerminal(reading.status)) return;
    this.inFlight.end(watch, reading);
  }

  /** Pauses the job while the API does not know a batch; for null, all batches are known again. */
  private pauseAs(lost: string | null): void {
    this.jobRun.state.lost = lost;
    this.jobRun.onChange();
  }

  /** As histories before `Version.WatchBatches` have it: all ids are sent, and all counts come back. */
  private async pollAll(batches: readonly Watch[], afterMs: number): Promise<BatchReading[]> {
    const readings = await pollBatches(`poll ${counted(batches.length)} in flight`, {
      job: this.jobRun.spec.jobId,
      batches: batches.map(({ shard, batch, batchId }) => ({ shard, batch, batchId })),
      afterMs,
      turn: this.polls,
    });
    const sum = (of: (reading: BatchReading) => number): number =>
      readings.reduce((total, reading) => total + of(reading), 0);
    this.inFlight.sums = {
      ran: sum(({ completed, failed }) => completed + failed),
      duplicates: sum(({ duplicates = 0 }) => duplicates),
    };
    return readings;
  }

  /** Null when the poll has made way for another one. */
  private async pollForChanges(batches: readonly Watch[], afterMs: number): Promise<BatchReading[] | null> {
    const now = Date.now();
    const queueMs = this.pollQueue ? scaled(QUEUED_MS) : null;
    const smallestMs = this.jobRun.spec.pollMs;
    const lookMs = queueMs !== null ? this.lookMs() : smallestMs < SHORTEST_TIMER_MS ? SHORTEST_POLL_MS : 0;
    const request = {
      job: this.jobRun.spec.jobId,
      groups: groupBatches(batches.map(toNamed)),
      afterMs,
      lookMs,
      smallestMs,
      quietMs: this.quietMs(),
      turn: this.polls,
    };
    const scope = new CancellationScope({ cancellable: true });
    let isOver = false;
    const watching = scope
      .run(() => watchBatches(`poll ${counted(batches.length)} in flight`, request, queueMs))
      .finally(() => {
        isOver = true;
      });
    watching.catch(() => undefined); // awaited below, unless it is given up
    this.pollsUntil = now + lookMs;
    this.hasNewBatch = false;
    const isDone = (): boolean => isOver || this.handingOver || (queueMs !== null && this.pollNow);
    await condition(() => isDone() || this.hasNewBatch);
    if (!isDone()) await this.untilMakesWay(isDone);
    this.pollsUntil = 0;
    if (!isOver) {
      scope.cancel();
      return null;
    }
    if (Date.now() - now < scaled(NEW_BATCH_MS)) this.madeWay = 0;
    return this.read(batches, await watching);
  }

  /** A poll that can read none of its batches is retried, for days if need be: a new batch must not wait for that. */
  private async untilMakesWay(isDone: () => boolean): Promise<void> {
    if (!patched(Version.PollMakesWay)) {
      await condition(isDone);
      return;
    }
    const waitMs = Math.min(LONGEST_NEW_BATCH_MS, NEW_BATCH_MS * 2 ** this.madeWay);
    const options = { summary: 'until the poll makes way for new batches' };
    if (!(await condition(isDone, scaled(waitMs), options))) this.madeWay += 1;
  }

  /** How long a poll may run, in ms: what depends on time must be decided then. */
  private lookMs(): number {
    const now = Date.now();
    let until = now + pollLength(this.quietMs());
    for (const watch of this.inFlight.all()) until = Math.min(until, nextDue(watch, this.cancels.ofAll));
    return Math.max(scaled(SHORTEST_POLL_MS), until - now);
  }

  private read(batches: readonly Watch[], reply: WatchReply): BatchReading[] {
    this.pollQueue = reply.hasQueue;
    this.inFlight.sums = { ran: reply.ran, duplicates: reply.duplicates };
    for (const status of reply.words) this.inFlight.noteUnknownStatus(status);
    return readingsOf(batches, reply);
  }
}

function counted(count: number): string {
  return `${grouped(count)} ${count === 1 ? 'batch' : 'batches'}`;
}

/** True for a poll that no worker of its queue took in time. */
function isUnserved(error: unknown): boolean {
  const cause = error instanceof ActivityFailure ? error.cause : null;
  return cause instanceof TimeoutFailure && cause.timeoutType === 'SCHEDULE_TO_START';
}
