import type { Duration, RetryPolicy } from '@temporalio/common';
import { proxyActivities, type ActivityOptions } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';

/**
 * Every activity with its timeouts and retries; a number without a reason here is a bug.
 *
 * Retries of activities that call the API are not counted but bounded in time by `scheduleToCloseTimeout`:
 * an outage of a day must not end a job, and final failures are thrown non-retryable. Attempts start again
 * after 1 s, doubling to a minute; a server's `retry-after` overrides that.
 */
let retry: RetryPolicy = { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '1m' };

/** Longer than any outage that somebody would wait out; then the job ends failed and can be started again without loss. */
const OUTAGE = '7 days';

/** A worker that dies is noticed after this; beats come four times as often, and file work never holds them up. */
let heartbeat: Duration = '20s';

/** Tests that kill workers do not want to wait so long. A workflow has its own copy of this module. */
export function tuneHeartbeat(timeout: Duration): void {
  heartbeat = timeout;
}

/** Tests that let activities fail by the thousand do not want to wait a second for each. */
export function tuneRetries(firstMs: number): void {
  retry = { ...retry, initialInterval: firstMs };
}

// 100 GB at 50 MB/s take half an hour; a day is for slow shared disks.
const files = { startToCloseTimeout: '24h' } as const;
export const buildShards: Activities['buildShards'] = activity('buildShards', files);
export const buildRetryShards: Activities['buildRetryShards'] = activity('buildRetryShards', files);
export const assembleResults: Activities['assembleResults'] = activity('assembleResults', files);

// 190 MB at 200 kB/s, the slowest line on which the SDK call does not time out by itself, take 16 minutes; sixteen
// activities share a worker's four places.
export const uploadInput: Activities['uploadInput'] = activity('uploadInput', {
  startToCloseTimeout: '2h',
});

// One POST, or a search of up to a thousand pages, three times, 90 s apart.
export const createBatch: Activities['createBatch'] = activity('createBatch', {
  startToCloseTimeout: '30m',
});

// The same for several shards, one after another.
export const findBought: Activities['findBought'] = activity('findBought', { startToCloseTimeout: '24h' });

// A sweep is a few calls; 1,000 single reads at 0.2 s are the worst.
export const pollBatches: Activities['pollBatches'] = activity('pollBatches', {
  startToCloseTimeout: '10m',
});

// Several GB of embeddings at 2 MB/s.
export const fetchResults: Activities['fetchResults'] = activity('fetchResults', {
  startToCloseTimeout: '2h',
});

// One small call.
export const cancelBatch: Activities['cancelBatch'] = activity('cancelBatch', { startToCloseTimeout: '1m' });

// One small call; an API that cannot be reached for so long is asked again at the next probe.
export const checkAccount: Activities['checkAccount'] = activity('checkAccount', {
  startToCloseTimeout: '1m',
  scheduleToCloseTimeout: '10m',
});

function activity<K extends keyof Activities>(name: K, limits: ActivityOptions): Activities[K] {
  const call = (request: never): Promise<unknown> => {
    const options = {
      scheduleToCloseTimeout: OUTAGE,
      heartbeatTimeout: heartbeat,
      retry,
      ...limits,
    };
    const run = proxyActivities<Activities>(options)[name] as (request: never) => Promise<unknown>;
    return run(request);
  };
  return call as unknown as Activities[K];
}
