/**
 * The task queues of a worker for long steps. Each kind waits at the server in its own queue, so that short API calls and
 * file work, which come from the worker's main queue, never wait behind them.
 */
export interface StepQueues {
  readonly uploads: string;
  readonly downloads: string;
  /** Polling activities, which run for minutes; see `activities/watch-batches.ts`. */
  readonly polls: string;
}

/** Concurrent uploads of a worker: a few fill any network link. */
export const UPLOADS_AT_ONCE = 4;

/** Concurrent downloads of a worker; each also settles its shard, in a thread. */
export const DOWNLOADS_AT_ONCE = 8;

/** Jobs of a worker that wait for batches concurrently: each costs a timer, and a poll a minute. */
export const POLLS_AT_ONCE = 1_000;

/** The queues beside a worker's main one. */
export function stepQueuesOf(taskQueue: string): StepQueues {
  return {
    uploads: `${taskQueue}.uploads`,
    downloads: `${taskQueue}.downloads`,
    polls: `${taskQueue}.polls`,
  };
}
