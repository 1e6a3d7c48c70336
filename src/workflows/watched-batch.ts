import { patched } from '@temporalio/workflow';
import type { BatchReading, WatchedBatch } from '../activities/index.ts';
import { isListed } from './list-entry.ts';
import { scaled } from './tuning.ts';
import { Version } from './versions.ts';

/** A batch that the API does not know is given this long to appear in reads after its creation; then the job pauses. */
const MISSING_MS = 10 * 60_000;

/** A batch that has not ended this long after its window closed is reported; as a rule, ends come some minutes late. */
const OVERDUE_MS = 30 * 60_000;

/** The window of batches whose server does not say when it closes. */
const WINDOW_MS = 24 * 3_600_000;

/** A batch that still runs so long after its cancel is cancelled again; then after twice as long, and so on up to the most. */
const UNHEARD_MS = { least: 60_000, most: 900_000 } as const;

/** A batch that no poll could read for so long is named in a notice. */
const UNREAD_MS = 10 * 60_000;

/** How waiting for a batch ended; `continued`: the next run waits for it, because this one continues as new. */
export type WatchEnd = BatchReading | 'continued';

/** A batch's times by the workflow's clock; the API's clock may differ by any amount. */
export interface WatchTimes {
  readonly createdAt: number;
  /** When the batch is to be cancelled. */
  readonly giveUpAt: number;
}

/** A batch in flight, and what polls and cancels have shown of it. Times are in ms by the workflow's clock. */
export interface Watch extends WatchedBatch, WatchTimes {
  reading: BatchReading | null;
  missingSince: number | null;
  /** True while the job is paused because the API does not know the batch. */
  lost: boolean;
  /** True for a batch that an earlier run has polled: the first poll of this run is no news. */
  readonly takenUp: boolean;
  cancelled: boolean;
  /** When the cancel was last accepted. */
  cancelledAt: number;
  /** How long the batch may run on after it. */
  unheardMs: number;
  /** True while it is being cancelled. */
  cancelling: boolean;
  /** True while its cancel has failed, so that the next poll tries it again. */
  uncancelled: boolean;
  /** When a cancel that failed may be tried again; infinite: when the account is accepted. */
  cancelAgainAt: number;
  /** Since when polls could not read the batch; null when the last one did. */
  unreadSince: number | null;
  resolve: (end: WatchEnd) => void;
}

export function newWatch(
  batch: WatchedBatch & WatchTimes,
  takenUp: boolean,
  resolve: Watch['resolve'],
): Watch {
  return {
    ...batch,
    reading: null,
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
  };
}

/**
 * True when the next change may come soon. Moving counts are no sign of it: a job of a hundred batches would be polled at the
 * smallest interval all day. Jobs begun under version 0.1 keep to what their histories hold.
 */
export function isNews({ reading: before, takenUp }: Watch, reading: BatchReading): boolean {
  if (before === null) return !takenUp;
  return before.status !== reading.status || (before.completed !== reading.completed && !isListed());
}

/** Notes that the API does not know the batch; returns true when that has lasted so long that the job must pause. */
export function noteMissing(watch: Watch): boolean {
  watch.missingSince ??= Date.now();
  if (Date.now() - watch.missingSince < scaled(MISSING_MS)) return false;
  watch.missingSince = null;
  watch.lost = true;
  return true;
}

/** Has a batch that runs on although its cancel was accepted cancelled again: a proxy or another server may have replied. */
export function noteUnheard(watch: Watch): void {
  const { cancelledAt, unheardMs } = watch;
  const isUnheard = runsOnCancelled(watch) && Date.now() - cancelledAt >= scaled(unheardMs);
  if (!isUnheard || !patched(Version.CancelAtOnce)) return;
  watch.cancelled = false;
  watch.unheardMs = Math.min(2 * watch.unheardMs, UNHEARD_MS.most);
}

function runsOnCancelled({ cancelled, reading }: Watch): boolean {
  return cancelled && (reading?.status === 'validating' || reading?.status === 'in_progress');
}

/** True when the API has validated the batch and runs its requests. */
export function isAccepted({ reading }: Watch): boolean {
  const status = reading?.status ?? 'missing';
  return status !== 'missing' && status !== 'validating';
}

export function isNearEnd({ reading }: Watch): boolean {
  return reading?.status === 'finalizing' || reading?.status === 'cancelling';
}

/** True for a batch that should have ended. */
export function isOverdue({ createdAt, reading }: Watch): boolean {
  return Date.now() >= createdAt + (reading?.windowMs ?? WINDOW_MS) + scaled(OVERDUE_MS);
}

/** True for a batch that no poll has read for long. */
export function isUnread({ unreadSince }: Watch): boolean {
  return unreadSince !== null && Date.now() >= unreadSince + scaled(UNREAD_MS);
}

/** True for a batch that is to be cancelled now. */
export function isDueToCancel(watch: Watch, cancelsAll: boolean): boolean {
  const isWanted = cancelsAll || Date.now() >= watch.giveUpAt;
  return !watch.cancelled && isWanted && Date.now() >= watch.cancelAgainAt;
}

/** When the batch has to be polled again because of its times, in ms by the workflow's clock; infinite: at any time. */
export function nextDue(watch: Watch, cancelsAll: boolean): number {
  const { missingSince, unreadSince, cancelled, cancelling, cancelledAt, unheardMs } = watch;
  const times: number[] = [];
  if (missingSince !== null) times.push(missingSince + scaled(MISSING_MS));
  if (unreadSince !== null) times.push(unreadSince + scaled(UNREAD_MS));
  if (runsOnCancelled(watch)) times.push(cancelledAt + scaled(unheardMs));
  if (!cancelled && !cancelling) times.push(Math.max(watch.cancelAgainAt, cancelsAll ? 0 : watch.giveUpAt));
  return Math.min(...times);
}
