import { proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';

/**
 * Every activity with its timeouts and retries; a number without a reason here is a bug.
 *
 * Retries of activities that call the API are not counted but bounded in time by `scheduleToCloseTimeout`:
 * an outage of a day must not end a job, and final failures are thrown non-retryable. Attempts start again
 * after 1 s, doubling to a minute; a server's `retry-after` overrides that.
 */
const patient = { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '1m' } as const;

/** Longer than any outage that somebody would wait out; then the job ends failed and can be started again without loss. */
const OUTAGE = '7 days';

/** A worker that dies is noticed after this; beats come four times as often, and file work never holds them up. */
const BEAT = '20s';

const files = proxyActivities<Activities>({
  // 100 GB at 50 MB/s take half an hour; a day is for slow shared disks.
  startToCloseTimeout: '24h',
  scheduleToCloseTimeout: OUTAGE,
  heartbeatTimeout: BEAT,
  retry: patient,
});
export const buildShards: Activities['buildShards'] = files.buildShards;
export const buildRetryShards: Activities['buildRetryShards'] = files.buildRetryShards;
export const assembleResults: Activities['assembleResults'] = files.assembleResults;

const upload = proxyActivities<Activities>({
  // 190 MB at 200 kB/s, the slowest line on which the SDK call does not time out by itself, take 16 minutes.
  startToCloseTimeout: '30m',
  scheduleToCloseTimeout: OUTAGE,
  heartbeatTimeout: BEAT,
  retry: patient,
});
export const uploadInput: Activities['uploadInput'] = upload.uploadInput;

const create = proxyActivities<Activities>({
  // One POST, or a search of up to a thousand pages, three times, 90 s apart.
  startToCloseTimeout: '30m',
  scheduleToCloseTimeout: OUTAGE,
  heartbeatTimeout: BEAT,
  retry: patient,
});
export const createBatch: Activities['createBatch'] = create.createBatch;

const poll = proxyActivities<Activities>({
  // A sweep is a few calls; 1,000 single reads at 0.2 s are the worst.
  startToCloseTimeout: '10m',
  scheduleToCloseTimeout: OUTAGE,
  heartbeatTimeout: BEAT,
  retry: patient,
});
export const pollBatches: Activities['pollBatches'] = poll.pollBatches;

const fetch = proxyActivities<Activities>({
  // Several GB of embeddings at 2 MB/s.
  startToCloseTimeout: '2h',
  scheduleToCloseTimeout: OUTAGE,
  heartbeatTimeout: BEAT,
  retry: patient,
});
export const fetchResults: Activities['fetchResults'] = fetch.fetchResults;

const cancel = proxyActivities<Activities>({
  // One small call.
  startToCloseTimeout: '1m',
  scheduleToCloseTimeout: OUTAGE,
  retry: patient,
});
export const cancelBatch: Activities['cancelBatch'] = cancel.cancelBatch;
