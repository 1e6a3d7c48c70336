/**
 * Where a worker takes transfers from. They wait at the server, in queues of their own with few slots; calls of the API and
 * file work come from the worker's main queue, and never wait behind them.
 */
export interface TransferQueues {
  readonly uploads: string;
  readonly downloads: string;
}

/** Uploads of a worker at a time: a few fill any line. */
export const UPLOADS_AT_ONCE = 4;

/** Downloads of a worker at a time; each also settles its shard, in a thread. */
export const DOWNLOADS_AT_ONCE = 8;

/** The queues beside a worker's main one. */
export function transferQueuesOf(taskQueue: string): TransferQueues {
  return { uploads: `${taskQueue}.uploads`, downloads: `${taskQueue}.downloads` };
}
