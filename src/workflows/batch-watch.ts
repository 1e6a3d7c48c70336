import { ActivityFailure, CancellationScope, condition, patched, TimeoutFailure } from '@temporalio/workflow';
import type { BatchSight, WatchedBatch, WatchReply } from '../activities/index.ts';
import { batchesOf, groupBatches, type NamedBatch, type SeenStatus } from '../core/batch-groups.ts';
import { isTerminal } from '../core/batch-status.ts';
import { grouped } from '../core/job-description.ts';
import { lookLength, nextPollDelay } from '../core/poll-schedule.ts';
import { compareShards } from '../core/shard-plan.ts';
import { scaled, type WaitingStep } from './account-gate.ts';
import { accountRefusal, failureReason } from './step-failure.ts';
import { cancelBatch, pollBatches, watchBatches } from './activity-proxies.ts';
import { isListed } from './list-entry.ts';

/** A batch that the API does not know is given this long to appear in reads after its creation; then somebody must look. */
const MISSING_MS = 10 * 60_000;

/** A batch that has not ended this long after its window closed is told of; ends come some minutes late as a rule. */
const OVERDUE_MS = 30 * 60_000;

/** The window of batches whose server does not say when it closes. */
const WINDOW_MS = 24 * 3_600_000;

/** A cancel that has failed is tried again at the first poll after so long. */
const CANCEL_AGAIN_MS = 20_000;

/** A batch that runs on so long after its cancel is cancelled again; then after twice as long, and so on up to the most. */
const UNHEARD_MS = { least: 60_000, most: 900_000 } as const;

/** The version in which a cancel neither waits for a poll nor holds one up. */
const CANCEL_AT_ONCE = 'cancel-at-once';

/** The version in which polls look for minutes, and neither send nor return what has not changed. */
const WATCH_BATCHES = 'watch-batches';

/** A poll of a queue of its own looks for so long at least, and one whose interval is shorter than a timer. */
const SHORTEST_LOOK_MS = 1_000;

/** A poll that no worker of the queue takes for so long is taken in the main queue, as a short one. */
const QUEUED_MS = 120_000;

/** A poll that looks on for longer than this makes way for one that knows a new batch as well. */
const NEW_BATCH_MS = 10_000;

/** The server fires timers to the second: shorter sleeps are slept by the poll, at no event of their own. */
const SHORTEST_TIMER_MS = 1_000;

/** Longer sleeps, of jobs that want to be polled rarely, are timers: beats would cost more. */
const LONGEST_IN_POLL_MS = 60_000;

/** A batch that no poll could read for so long is named in a notice. */
const UNREAD_MS = 10 * 60_000;

/** A poll that failed for good is followed by another one: no job ends while a batch is on record and unread. */
const AFTER_FAILURE_MS = 60_000;

/** Words of a server's own, as many as a notice can hold. */
const MAX_UNKNOWN_WORDS = 5;

/** What a batch's wait ended with; `parked` when the run is about to continue as new and the batch has not ended. */
export type WatchEnd = BatchSight | 'parked';

interface Watch extends WatchedBatch, WatchTimes {
  sight: BatchSight | null;
  missingSince: number | null;
  /** True while the job has been told that the API does not know the batch. */
  lost: boolean;
  /** True for a batch that an earlier run has seen: the first look at it is no news. */
  readonly takenUp: boolean;
  cancelled: boolean;
  /** When the cancel was last accepted, in ms by the workflow's clock. */
  cancelledAt: number;
  /** How long the batch may run on after it. */
  unheardMs: number;
  /** True while it is being cancelled. */
  cancelling: boolean;
  /** True while its cancel has failed, so that the next poll tries it again. */
  uncancelled: boolean;
  /** When a cancel that failed may be tried again, in ms by the workflow's clock; infinite: when the account is accepted. */
  cancelAgainAt: number;
  /** When the polls that left the batch out began; null when the last one read it. */
  unreadSince: number | null;
  resolve: (end: WatchEnd) => void;
}

/** A batch's times by the workflow's clock: the API's may stand anywhere. */
export interface WatchTimes {
  readonly createdAt: number;
  /** When the batch shall be cancelled. */
  readonly giveUpAt: number;
}

/** What keeps batches from being seen, or their ends from being understood; for notices. */
export interface WatchTroubles {
  /** Batches that could not be read for some time. */
  readonly unread: number;
  /** Batches whose cancel has failed so far. */
  readonly uncancelled: number;
  /** Why the last poll failed as a whole; null when it did not. */
  readonly failure: string | null;
  /** The server's words for statuses that are not known. */
  readonly unknownStatuses: readonly string[];
}

/** What the loop needs of its job. */
export interface WatchedJob {
  /** The job's pass, see `store/job-pass.ts`. */
  pass(): number;
  /** The API does not know a batch, so that somebody must act; null when all batches are known again. */
  onLost(reason: string | null): void;
  /** The API has refused the key or the account. */
  onRefused(reason: string): void;
  /** Resolves when the API may be asked again. */
  untilAccepted(step: Pick<WaitingStep, 'accepted'>): Promise<void>;
  /** What `seen` and `notices` tell has changed. */
  onSeen(): void;
}

/** What a run's watch hands to the next run's. */
export interface CarriedWatch {
  /** When a batch was last sent or changed its status, in ms by the workflow's clock; without it polls are frequent again. */
  changedAt?: number;
  /** True once a worker has said that polls have a queue of their own. */
  pollQueue?: boolean;
}

/**
 * The one sleep-and-poll loop of a job: however many batches are in flight, a cycle is one activity, which looks for as long
 * as nothing changes; a timer and a short look where polls have no queue of their own.
 */
export class BatchWatch {
  private readonly jobId: string;
  private readonly smallestMs: number;
  private readonly job: WatchedJob;
  private readonly watches = new Map<string, Watch>();
  private readonly begunAt = Date.now();
  /** Null where an earlier run has not handed on when something last changed. */
  private readonly carriedAt: number | null;
  private changedAt: number;
  private polls = 0;
  private pollNow = false;
  private failure: string | null = null;
  private readonly unknownStatuses = new Set<string>();
  private pollQueue: boolean;
  private sums: Pick<WatchReply, 'ran' | 'duplicates'> = { ran: 0, duplicates: 0 };
  private seenAt = 0;
  /** When the poll that runs will end by itself. */
  private looksUntil = 0;
  private cancelling = false;
  private parking = false;

  constructor(jobId: string, smallestMs: number, carried: CarriedWatch, job: WatchedJob) {
    this.jobId = jobId;
    this.smallestMs = smallestMs;
    this.carriedAt = carried.changedAt ?? null;
    this.changedAt = carried.changedAt ?? this.begunAt;
    this.pollQueue = carried.pollQueue ?? false;
    this.job = job;
  }

  /** Resolves when the batch has ended, or with `parked`. */
  async untilEnded(batch: WatchedBatch, times: WatchTimes): Promise<WatchEnd> {
    if (this.parking) return 'parked';
    const takenUp = this.carriedAt !== null && times.createdAt < this.begunAt;
    const ended = new Promise<WatchEnd>((resolve) => {
      this.watches.set(batch.batchId, {
        ...batch,
        ...times,
        sight: null,
        missingSince: null,
        lost: false,
        takenUp,
        cancelled: false,
        cancelledAt: 0,
        unheardMs: UNHEARD_MS.least,
        cancelling: false,
        uncancelled: false,
        cancelAgainAt: 0,
        unreadSince: null,
        resolve,
      });
    });
    if (!takenUp) {
      this.changedAt = Date.now(); // a new batch may end soon: poll often again
      this.pollBy(this.changedAt + NEW_BATCH_MS);
    }
    return await ended;
  }

  /** Polls until `stopped` holds and nothing is watched any more. */
  async run(stopped: () => boolean): Promise<void> {
    for (;;) {
      await condition(() => this.watches.size > 0 || stopped());
      if (this.watches.size === 0) return;
      const shortMs = await this.sleepUntilDue();
      if (this.parking) this.park();
      else await this.pollPatiently(shortMs);
    }
  }

  /** Ends the current sleep. */
  wake(): void {
    this.pollNow = true;
  }

  /** Has the poll that runs make way for another one, if it would look on for longer. */
  private pollBy(time: number): void {
    if (this.looksUntil > time) this.pollNow = true;
  }

  /** Has every batch cancelled at the API, and goes on waiting for their ends. */
  cancelAll(): void {
    this.cancelling = true;
    this.pollNow = true;
    if (this.watches.size > 0 && patched(CANCEL_AT_ONCE)) this.cancelDue();
  }

  /** Tries again what was refused for the account, which is accepted now. */
  onAccepted(): void {
    if (!patched(CANCEL_AT_ONCE)) return;
    for (const watch of this.watches.values())
      if (watch.cancelAgainAt === Number.POSITIVE_INFINITY) watch.cancelAgainAt = 0;
    this.cancelDue();
  }

  /** Gives all waits back as `parked`, so that the run can continue as new. */
  parkAll(): void {
    this.parking = true;
    this.pollNow = true;
  }

  /** Lines that the API says it has run in watched batches, and the batches by status. */
  seen(): { running: number; byStatus: Record<string, number> } {
    const byStatus: Record<string, number> = {};
    for (const { sight } of this.watches.values()) {
      const status = sight?.status ?? 'created';
      byStatus[status] = (byStatus[status] ?? 0) + 1;
    }
    return { running: this.sums.ran, byStatus };
  }

  /** What the next run's watch begins with. */
  carry(): CarriedWatch {
    return { changedAt: this.changedAt, pollQueue: this.pollQueue };
  }

  /** Batches in flight, the latest first. */
  batchIds(): string[] {
    return [...this.watches.keys()].toReversed();
  }

  /** When the oldest batch in flight was sent, in ms by the workflow's clock; null when none is. */
  oldestSentAt(): number | null {
    let oldest: number | null = null;
    for (const { createdAt } of this.watches.values())
      if (oldest === null || createdAt < oldest) oldest = createdAt;
    return oldest;
  }

  /** A watched batch as the last poll saw it. */
  sightOf(batchId: string): BatchSight | null {
    return this.watches.get(batchId)?.sight ?? null;
  }

  /** True when the API has looked through the batch's requests and runs them. */
  isAccepted(batchId: string): boolean {
    const status = this.watches.get(batchId)?.sight?.status ?? 'missing';
    return status !== 'missing' && status !== 'validating';
  }

  /** True while some batch is accepted: it holds allowance that will come back. */
  hasAccepted(): boolean {
    return [...this.watches.keys()].some((batchId) => this.isAccepted(batchId));
  }

  /** How many batches were created on top of those that are watched, and cancelled. */
  duplicates(): number {
    return this.sums.duplicates;
  }

  /** How many batches should have ended by now. */
  overdue(): number {
    const isOverdue = ({ createdAt, sight }: Watch): boolean =>
      Date.now() >= createdAt + (sight?.windowMs ?? WINDOW_MS) + scaled(OVERDUE_MS);
    return [...this.watches.values()].filter(isOverdue).length;
  }

  /** What is in the way of the watch. */
  troubles(): WatchTroubles {
    const watches = [...this.watches.values()];
    const isUnread = ({ unreadSince }: Watch): boolean =>
      unreadSince !== null && Date.now() >= unreadSince + scaled(UNREAD_MS);
    return {
      unread: watches.filter(isUnread).length,
      uncancelled: watches.filter(({ uncancelled }) => uncancelled).length,
      failure: this.failure,
      unknownStatuses: [...this.unknownStatuses],
    };
  }

  /** Sleeps until the next poll is due; returns what is left to the poll itself. */
  private async sleepUntilDue(): Promise<number> {
    if (this.pollNow) {
      this.pollNow = false;
      return 0;
    }
    const delay = nextPollDelay({
      smallestMs: this.smallestMs,
      quietMs: this.quietMs(),
      nearEnd: [...this.watches.values()].some(isNearEnd),
    });
    if (this.pollQueue && delay <= LONGEST_IN_POLL_MS) return this.untilDue(delay);
    if (delay < SHORTEST_TIMER_MS) return delay;
    await condition(() => this.pollNow, delay, {
      summary: `until the next look at ${counted(this.watches.size)}`,
    });
    this.pollNow = false;
    return 0;
  }

  private quietMs(): number {
    return Date.now() - this.changedAt;
  }

  private untilDue(delay: number): number {
    return Math.max(0, this.seenAt + delay - Date.now());
  }

  /**
   * A poll that the API refuses for its key pauses the job until the key is accepted, or until `resume`. After any other
   * failure of the step the batches are polled again: they are on record, and must be read.
   */
  private async pollPatiently(shortMs: number): Promise<void> {
    try {
      await this.poll(shortMs);
      this.polls += 1;
      this.failure = null;
    } catch (error) {
      if (isUnserved(error)) {
        this.pollQueue = false;
        this.pollNow = true;
        return;
      }
      const reason = accountRefusal(error);
      if (reason === null) {
        if (!(error instanceof ActivityFailure)) throw error;
        this.failure = failureReason(error);
        this.job.onSeen();
        const isWoken = (): boolean => this.pollNow || this.parking;
        await condition(isWoken, scaled(AFTER_FAILURE_MS), {
          summary: 'until the next poll after a failure',
        });
        return;
      }
      this.job.onRefused(reason);
      const before = this.polls;
      await this.job.untilAccepted({ accepted: () => this.polls > before });
    }
  }

  private park(): void {
    for (const watch of this.watches.values()) watch.resolve('parked');
    this.watches.clear();
  }

  private async poll(afterMs: number): Promise<void> {
    if (patched(CANCEL_AT_ONCE)) this.cancelDue();
    else await this.cancelDueFirst();
    const batches = [...this.watches.values()];
    const sights = patched(WATCH_BATCHES)
      ? await this.lookForChanges(batches, afterMs)
      : await this.lookAtAll(batches, afterMs);
    if (sights === null) return;
    this.seenAt = Date.now();
    this.noteUnread(batches, sights);
    for (const sight of sights) {
      const watch = this.watches.get(sight.batchId);
      if (watch === undefined) continue;
      if (sight.unknownStatus !== undefined) this.noteWord(sight.unknownStatus);
      if (isNews(watch, sight)) this.changedAt = Date.now();
      watch.sight = sight;
      if (isUnheard(watch)) {
        watch.cancelled = false;
        watch.unheardMs = Math.min(2 * watch.unheardMs, UNHEARD_MS.most);
      }
      if (sight.status === 'missing') {
        watch.missingSince ??= Date.now();
        if (Date.now() - watch.missingSince >= scaled(MISSING_MS)) {
          watch.missingSince = null;
          watch.lost = true;
          this.job.onLost(
            `the API does not know batch ${sight.batchId}: wrong key, other project or other base URL`,
          );
        }
        continue;
      }
      watch.missingSince = null;
      if (watch.lost) {
        watch.lost = false;
        if (![...this.watches.values()].some(({ lost }) => lost)) this.job.onLost(null);
      }
      if (!isTerminal(sight.status)) continue;
      this.watches.delete(sight.batchId);
      watch.resolve(sight);
    }
    this.job.onSeen();
  }

  /** As histories before `WATCH_BATCHES` have it: all ids go there, and all counts come back. */
  private async lookAtAll(batches: readonly Watch[], afterMs: number): Promise<BatchSight[]> {
    const sights = await pollBatches(`look at ${counted(batches.length)} in flight`, {
      job: this.jobId,
      batches: batches.map(({ shard, batch, batchId }) => ({ shard, batch, batchId })),
      afterMs,
      turn: this.polls,
    });
    const sum = (of: (sight: BatchSight) => number): number =>
      sights.reduce((total, sight) => total + of(sight), 0);
    this.sums = {
      ran: sum(({ completed, failed }) => completed + failed),
      duplicates: sum(({ duplicates = 0 }) => duplicates),
    };
    return sights;
  }

  /** Null when the poll has made way for another one. */
  private async lookForChanges(batches: readonly Watch[], afterMs: number): Promise<BatchSight[] | null> {
    const now = Date.now();
    const queueMs = this.pollQueue ? scaled(QUEUED_MS) : null;
    const lookMs =
      queueMs !== null ? this.lookMs() : this.smallestMs < SHORTEST_TIMER_MS ? SHORTEST_LOOK_MS : 0;
    const request = {
      job: this.jobId,
      groups: groupBatches(batches.map(toSeen)),
      afterMs,
      lookMs,
      smallestMs: this.smallestMs,
      quietMs: this.quietMs(),
      turn: this.polls,
    };
    const scope = new CancellationScope({ cancellable: true });
    let isOver = false;
    const watching = scope
      .run(() => watchBatches(`look at ${counted(batches.length)} in flight`, request, queueMs))
      .finally(() => {
        isOver = true;
      });
    watching.catch(() => undefined); // awaited below, unless it is given up
    this.looksUntil = now + lookMs;
    await condition(() => isOver || this.parking || (queueMs !== null && this.pollNow));
    this.looksUntil = 0;
    if (!isOver) {
      scope.cancel();
      return null;
    }
    return this.toSights(batches, await watching);
  }

  /** When a poll has to come back by itself, so that what depends on time is looked at. */
  private lookMs(): number {
    const now = Date.now();
    let until = now + lookLength(this.quietMs());
    for (const watch of this.watches.values()) until = Math.min(until, nextJudgement(watch, this.cancelling));
    return Math.max(scaled(SHORTEST_LOOK_MS), until - now);
  }

  /** What a reply says of each batch: what has changed, and the status that stands of the others. */
  private toSights(batches: readonly Watch[], reply: WatchReply): BatchSight[] {
    this.pollQueue = reply.hasQueue;
    this.sums = { ran: reply.ran, duplicates: reply.duplicates };
    const changes = new Map([...batchesOf(reply.changed)].map(({ shard, status }) => [shard, status]));
    const unread = new Set([...batchesOf(reply.unread)].map(({ shard }) => shard));
    const sights: BatchSight[] = [];
    for (const { shard, batchId, sight } of batches) {
      const status = changes.get(shard)?.status ?? sight?.status;
      if (unread.has(shard) || status === undefined) continue;
      const refusal = changes.get(shard)?.refusal ?? null;
      sights.push({ batchId, status, completed: 0, failed: 0, windowMs: reply.windowMs, refusal });
    }
    for (const word of reply.words) this.noteWord(word);
    return withCounts(sights, batches, reply.counts);
  }

  private noteWord(word: string): void {
    if (this.unknownStatuses.size < MAX_UNKNOWN_WORDS) this.unknownStatuses.add(word);
  }

  /** A poll leaves out what it could not read: the last status stands. */
  private noteUnread(batches: readonly WatchedBatch[], sights: readonly BatchSight[]): void {
    const read = new Set(sights.map(({ batchId }) => batchId));
    for (const { batchId } of batches) {
      const watch = this.watches.get(batchId);
      if (watch === undefined) continue;
      if (read.has(batchId)) watch.unreadSince = null;
      else watch.unreadSince ??= Date.now();
    }
  }

  /** A cancel that fails is tried again beside a later poll: what has ended meanwhile is seen all the same. */
  private cancelDue(): void {
    for (const watch of this.dueToCancel()) {
      if (watch.cancelling) continue;
      watch.cancelling = true;
      void this.cancel(watch)
        .catch((error: unknown) => {
          const refusal = accountRefusal(error);
          if (refusal !== null) this.job.onRefused(refusal);
          watch.uncancelled = true;
          watch.cancelAgainAt = refusal === null ? Date.now() + CANCEL_AGAIN_MS : Number.POSITIVE_INFINITY;
        })
        .finally(() => {
          watch.cancelling = false;
          this.pollBy(nextJudgement(watch, this.cancelling));
        });
    }
  }

  /** As histories before `CANCEL_AT_ONCE` have it: the poll waits for the cancels. */
  private async cancelDueFirst(): Promise<void> {
    const cancel = async (watch: Watch): Promise<void> => {
      try {
        await this.cancel(watch);
      } catch (error) {
        if (accountRefusal(error) !== null || !(error instanceof ActivityFailure)) throw error;
        watch.uncancelled = true;
        watch.cancelAgainAt = Date.now() + CANCEL_AGAIN_MS;
      }
    };
    await Promise.all(this.dueToCancel().map(cancel));
  }

  private dueToCancel(): Watch[] {
    return [...this.watches.values()].filter(
      (watch) =>
        !watch.cancelled &&
        (this.cancelling || Date.now() >= watch.giveUpAt) &&
        Date.now() >= watch.cancelAgainAt,
    );
  }

  private async cancel(watch: Watch): Promise<void> {
    const { shard, batch, batchId } = watch;
    const pass = this.job.pass();
    const request = { job: this.jobId, shard, batch, batchId, wholeJob: this.cancelling, pass };
    await cancelBatch(`cancel ${batchId} of shard ${shard}`, request);
    watch.cancelled = true;
    watch.cancelledAt = Date.now();
    watch.uncancelled = false;
  }
}

/**
 * True when the next change may come soon. Moving counts are no sign of it: they would have a job of a hundred batches
 * polled at the smallest interval all day. Jobs that were begun under version 0.1 keep to what their histories hold.
 */
function isNews({ sight: before, takenUp }: Watch, sight: BatchSight): boolean {
  if (before === null) return !takenUp;
  return before.status !== sight.status || (before.completed !== sight.completed && !isListed());
}

/** True for a batch that runs on although its cancel was accepted: a proxy or another server may have answered. */
function isUnheard(watch: Watch): boolean {
  const { cancelledAt, unheardMs } = watch;
  return runsOnCancelled(watch) && Date.now() - cancelledAt >= scaled(unheardMs) && patched(CANCEL_AT_ONCE);
}

function runsOnCancelled({ cancelled, sight }: Watch): boolean {
  return cancelled && (sight?.status === 'validating' || sight?.status === 'in_progress');
}

function counted(count: number): string {
  return `${grouped(count)} ${count === 1 ? 'batch' : 'batches'}`;
}

/** As it is told to a poll. */
function toSeen({ shard, batch, sight }: Watch): NamedBatch & { status: SeenStatus } {
  return { shard, batch, status: sight?.status ?? 'created' };
}

function isNearEnd({ sight }: Watch): boolean {
  if (sight === null) return false;
  return sight.status === 'finalizing' || sight.status === 'cancelling';
}

/** True for a poll that no worker of its queue took in time. */
function isUnserved(error: unknown): boolean {
  const cause = error instanceof ActivityFailure ? error.cause : null;
  return cause instanceof TimeoutFailure && cause.timeoutType === 'SCHEDULE_TO_START';
}

/** When a batch has to be looked at again because of what was seen before, in ms by the workflow's clock; infinite: at any time. */
function nextJudgement(watch: Watch, isCancelling: boolean): number {
  const { missingSince, unreadSince, cancelled, cancelling, cancelledAt, unheardMs } = watch;
  const dates: number[] = [];
  if (missingSince !== null) dates.push(missingSince + scaled(MISSING_MS));
  if (unreadSince !== null) dates.push(unreadSince + scaled(UNREAD_MS));
  if (runsOnCancelled(watch)) dates.push(cancelledAt + scaled(unheardMs));
  if (!cancelled && !cancelling) dates.push(Math.max(watch.cancelAgainAt, isCancelling ? 0 : watch.giveUpAt));
  return Math.min(...dates);
}

/** Counts come in the order of the shards, those of running batches only. */
function withCounts(
  sights: readonly BatchSight[],
  batches: readonly Watch[],
  counts: readonly number[],
): BatchSight[] {
  const shardOf = new Map(batches.map(({ batchId, shard }) => [batchId, shard]));
  const isRunning = ({ status }: BatchSight): boolean => status !== 'missing' && !isTerminal(status);
  const shown = sights
    .filter(isRunning)
    .toSorted((a, b) => compareShards(shardOf.get(a.batchId)!, shardOf.get(b.batchId)!))
    .slice(0, counts.length / 2);
  const countsOf = new Map(shown.map(({ batchId }, i) => [batchId, counts.slice(2 * i, 2 * i + 2)]));
  return sights.map((sight) => {
    const [completed = 0, failed = 0] = countsOf.get(sight.batchId) ?? [];
    return { ...sight, completed, failed };
  });
}
