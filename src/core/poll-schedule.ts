/** What the next sleep depends on. */
export interface PollTiming {
  /** The job's smallest interval, `--poll`. */
  readonly smallestMs: number;
  /** How long no batch has been sent and none has changed its status. Counts move all day long: they tell nothing of an end. */
  readonly quietMs: number;
  /** True while some batch is near its end: finalizing or cancelling. */
  readonly nearEnd: boolean;
}

/** Waiting this share longer than necessary is cheap beside the wait itself. */
const SHARE_OF_QUIET = 0.1;

/** A list call a minute for all batches of a job is far below any rate limit. */
const LONGEST_MS = 60_000;

/** Near the end an answer is worth a call every ten seconds. */
const LONGEST_NEAR_END_MS = 10_000;

/**
 * The next sleep between two polls: a tenth of the time that nothing has happened, so that a batch of
 * seconds is seen within its second and a batch of hours costs a call a minute.
 */
export function nextPollDelay({ smallestMs, quietMs, nearEnd }: PollTiming): number {
  const longest = Math.max(smallestMs, nearEnd ? LONGEST_NEAR_END_MS : LONGEST_MS);
  return Math.round(Math.min(longest, Math.max(smallestMs, quietMs * SHARE_OF_QUIET)));
}

/** How long a poll of its own queue looks before it tells that nothing has changed: what it counts is as old at most. */
const SHARE_LOOKED = 0.5;
const LONGEST_LOOK_MS = 10 * 60_000;

/** Beats of a long look are billed by some servers: a worker that dies in one is noticed within this. */
const LONGEST_SILENCE_MS = 150_000;

/**
 * How long a poll that needs no timer may look. A day without news costs some 170 of them and some 1,170 beats.
 */
export function pollLength(quietMs: number): number {
  return Math.min(LONGEST_LOOK_MS, quietMs * SHARE_LOOKED);
}

/** The heartbeat timeout of a poll, which beats twice within it; `leastMs` is that of other steps. */
export function pollHeartbeat(lookMs: number, leastMs: number): number {
  return Math.max(leastMs, Math.min(LONGEST_SILENCE_MS, lookMs / 2));
}
