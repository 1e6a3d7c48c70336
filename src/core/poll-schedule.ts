/** What the delay before the next poll depends on. */
export interface PollTiming {
  /** The job's smallest interval, `--poll`. */
  readonly smallestMs: number;
  /** Time since a batch was last sent or changed its status. Counts are ignored: they change all day and do not predict an end. */
  readonly quietMs: number;
  /** True while some batch is near its end: finalizing or cancelling. */
  readonly nearEnd: boolean;
}

/** A result that is late by this share of the wait costs little compared with the wait. */
const SHARE_OF_QUIET = 0.1;

/** A list call a minute for all batches of a job is far below any rate limit. */
const LONGEST_MS = 60_000;

/** The longest delay for a batch that is near its end. */
const LONGEST_NEAR_END_MS = 10_000;

/**
 * Returns the delay before the next poll: a tenth of the time since the last change. The end of a batch of seconds is noticed
 * within a second, and a batch of hours costs one call a minute.
 */
export function nextPollDelay({ smallestMs, quietMs, nearEnd }: PollTiming): number {
  const longest = Math.max(smallestMs, nearEnd ? LONGEST_NEAR_END_MS : LONGEST_MS);
  return Math.round(Math.min(longest, Math.max(smallestMs, quietMs * SHARE_OF_QUIET)));
}

/** A polling activity returns without a change after this share of the quiet time, at most after `LONGEST_POLL_MS`: its counts are never older. */
const POLL_SHARE_OF_QUIET = 0.5;
const LONGEST_POLL_MS = 10 * 60_000;

/** The longest heartbeat timeout of a polling activity: some servers bill heartbeats, and a dead worker is noticed only after it. */
const LONGEST_HEARTBEAT_TIMEOUT_MS = 150_000;

/** How long a polling activity may run. A day without a change costs about 170 activities and 1,170 heartbeats. */
export function pollLength(quietMs: number): number {
  return Math.min(LONGEST_POLL_MS, quietMs * POLL_SHARE_OF_QUIET);
}

/** The heartbeat timeout of a polling activity, which sends two heartbeats within it; `leastMs` is the timeout of other steps. */
export function pollHeartbeat(pollMs: number, leastMs: number): number {
  return Math.max(leastMs, Math.min(LONGEST_HEARTBEAT_TIMEOUT_MS, pollMs / 2));
}
