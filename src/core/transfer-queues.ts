/**
 * Where a worker takes transfers from. They wait at the server, in queues of their own with few slots; calls of the API and
 * file work come from the worker's main queue, and never wait behind them.
 */
export interface TransferQueues {
  readonly uploads: string;
  readonly downloads: string;
}

/** The queues beside a worker's main one. */
export function transferQueuesOf(taskQueue: string): TransferQueues {
  return { uploads: `${taskQueue}.uploads`, downloads: `${taskQueue}.downloads` };
}
