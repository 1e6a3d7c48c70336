/**
 * Where a worker takes steps from that take long: each kind waits at the server, in a queue of its own. Calls of the API and
 * file work come from the worker's main queue, and never wait behind them.
 */
export interface StepQueues {
  readonly uploads: string;
  readonly downloads: string;
  /** Polls that look for minutes; see `activities/watch-batches.ts`. */
  readonly polls: string;
}

/** Uploads of a worker at a time: a few fill any line. */
export const UPLOADS_AT_ONCE = 4;

/** Downloads of a worker at a time; each also settles its shard, in a thread. */
export const DOWNLOADS_AT_ONCE = 8;

/** Jobs of a worker that wait for batches at a time: each costs a timer, and a look a minute. */
export const POLLS_AT_ONCE = 1_000;

/** The queues beside a worker's main one. */
export function stepQueuesOf(taskQueue: string): StepQueues {
  return {
    uploads: `${taskQueue}.uploads`,
    downloads: `${taskQueue}.downloads`,
    polls: `${taskQueue}.polls`,
  };
}
