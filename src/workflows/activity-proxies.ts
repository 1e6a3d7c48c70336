import type { Priority } from '@temporalio/common';
import {
  ActivityCancellationType,
  proxyActivities,
  workflowInfo,
  type ActivityOptions,
} from '@temporalio/workflow';
import type { Activities, QueueActivities, WatchReply, WatchRequest } from '../activities/index.ts';
import { fittingSummary } from '../core/job-description.ts';
import { pollHeartbeat } from '../core/poll-schedule.ts';
import { shardIndex } from '../core/shard-plan.ts';
import { stepQueuesOf } from '../core/step-queues.ts';
import { heartbeatMs, retryPolicy } from './tuning.ts';

/* Every activity with its timeouts; a number without a reason here is a bug. */

/** Longer than any outage that an operator would wait for; then the job ends failed and can be started again without loss. */
const OUTAGE = '7 days';

/** True where transfers have task queues of their own; a hosted worker may take all steps from one queue. */
let hasStepQueues = false;

/** Has transfers done by the workers of their own queues, from now on. */
export function useStepQueues(): void {
  hasStepQueues = true;
}

// 100 GB at 50 MB/s take half an hour; a day is for slow shared disks.
const files = { startToCloseTimeout: '24h' } as const;
export const buildShards: Call<'buildShards'> = activity('buildShards', files);
export const buildRetryShards: Call<'buildRetryShards'> = activity('buildRetryShards', files);
export const buildPass: Call<'buildPass'> = activity('buildPass', files);
export const buildRebuyShards: Call<'buildRebuyShards'> = activity('buildRebuyShards', files);
export const assembleResults: Call<'assembleResults'> = activity('assembleResults', files);

// 190 MB at 200 kB/s, the slowest line on which the SDK call does not time out by itself, take 16 minutes; where all steps
// share one queue, uploads wait for one of four places in their worker.
export const uploadInput: Call<'uploadInput'> = activity('uploadInput', {
  startToCloseTimeout: '2h',
});

// One POST, or a search of up to a thousand pages.
export const createBatch: Call<'createBatch'> = activity('createBatch', {
  startToCloseTimeout: '30m',
});

// The same for several shards, one after another.
export const findBought: Call<'findBought'> = activity('findBought', { startToCloseTimeout: '24h' });

// As jobs of version 0.2 and before poll: a few pages of the list, and single reads, eight at a time; both are bounded in
// time (`activities/batches/read-batches.ts`).
export const pollBatches: Call<'pollBatches'> = activity('pollBatches', {
  startToCloseTimeout: '10m',
});

/**
 * Polls the batches in flight: in the queue of polls, where a worker has to take the step within `queueMs`, or, for null, in the
 * main queue. A poll that is given up ends at once.
 */
export async function watchBatches(
  summary: string,
  request: WatchRequest,
  queueMs: number | null,
): Promise<WatchReply> {
  const { polls } = stepQueuesOf(workflowInfo().taskQueue);
  const watch = activity('watchBatches', {
    // The poll's own time, and one last snapshot as long as that of `pollBatches`.
    startToCloseTimeout: request.afterMs + request.lookMs + 10 * 60_000,
    heartbeatTimeout: pollHeartbeat(request.lookMs, heartbeatMs()),
    cancellationType: ActivityCancellationType.TRY_CANCEL,
    ...(queueMs === null ? {} : { taskQueue: polls, scheduleToStartTimeout: queueMs }),
  });
  return await watch(summary, request);
}

// Several GB of embeddings at 2 MB/s.
export const fetchResults: Call<'fetchResults'> = activity('fetchResults', {
  startToCloseTimeout: '2h',
});

// Writes a row per line of one shard.
export const settleRefusedShard: Call<'settleRefusedShard'> = activity('settleRefusedShard', {
  startToCloseTimeout: '2h',
});

// One small call, given up soon and tried again 20 s later beside the polls (`batch-watch.ts`). A call that is cut off has
// reached the API all the same.
export const cancelBatch: Call<'cancelBatch'> = activity('cancelBatch', {
  startToCloseTimeout: '20s',
  scheduleToCloseTimeout: '20s',
});

// One small call; an API that cannot be reached for so long is asked again at the next probe.
export const checkAccount: Call<'checkAccount'> = activity('checkAccount', {
  startToCloseTimeout: '1m',
  scheduleToCloseTimeout: '10m',
});

// Parts of some dozen files. Threads may be busy; after a quarter of an hour the job shares no tokens in this round.
export const estimateTokens: Call<'estimateTokens'> = activity('estimateTokens', {
  startToCloseTimeout: '10m',
  scheduleToCloseTimeout: '15m',
});

// One call of the server. A queue that no worker serves must not stop a job: it then sends without.
export const reportTokens: Call<'reportTokens'> = activity('reportTokens', {
  startToCloseTimeout: '30s',
  scheduleToCloseTimeout: '2m',
});

// The list of batches, and a file of each batch of others; the next sweep does what this one could not.
export const sweepTokenQueue: Call<'sweepTokenQueue'> = activity('sweepTokenQueue', {
  startToCloseTimeout: '10m',
  scheduleToCloseTimeout: '10m',
});

/** The first shards of a job go before the later ones of others, so that a small job does not wait behind a huge one. */
const FIRST_SHARDS = 4;

/** Temporal's: 1 is the first of five, and 3 the rule. */
const Priorities = { Cancel: 1, First: 2, Rule: 3 } as const;

/** Temporal's bound of a fairness key, in bytes; ids of jobs differ at their end. */
const FAIRNESS_KEY_LENGTH = 64;

/** Which of a queue's steps is taken first. Servers that know no fairness, or no priorities, take them as they come. */
function priorityOf(name: keyof StepActivities, request: unknown): Priority {
  const { shard } = (request ?? {}) as { shard?: string };
  const isFirst = shard === undefined || shardIndex(shard) < FIRST_SHARDS;
  return {
    priorityKey: name === 'cancelBatch' ? Priorities.Cancel : isFirst ? Priorities.First : Priorities.Rule,
    // Our ids are ASCII; an application that starts the workflow itself may use others.
    fairnessKey: workflowInfo()
      .workflowId.replaceAll(/[^\x21-\x7e]/g, '_')
      .slice(-FAIRNESS_KEY_LENGTH),
  };
}

/** The queue of a step. */
function queueOf(name: keyof StepActivities): string {
  const { taskQueue } = workflowInfo();
  const { uploads, downloads } = stepQueuesOf(taskQueue);
  if (hasStepQueues && name === 'uploadInput') return uploads;
  if (hasStepQueues && name === 'fetchResults') return downloads;
  return taskQueue;
}

type StepActivities = Activities & QueueActivities;

/** An activity of the worker's, and what it is done for: the summary that the Web UI shows beside it. It is no part of the history's order. */
type Call<K extends keyof StepActivities> = (
  summary: string,
  ...request: Parameters<StepActivities[K]>
) => ReturnType<StepActivities[K]>;

function activity<K extends keyof StepActivities>(name: K, limits: ActivityOptions): Call<K> {
  const call = (summary: string, ...request: never[]): Promise<unknown> => {
    const options = {
      summary: fittingSummary(summary),
      scheduleToCloseTimeout: OUTAGE,
      // A step that is given up may just have done its work: what it has put on record counts.
      cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
      heartbeatTimeout: heartbeatMs(),
      retry: retryPolicy(),
      taskQueue: queueOf(name),
      ...limits,
      priority: priorityOf(name, request[0]),
    };
    const run = proxyActivities<StepActivities>(options)[name] as (...request: never[]) => Promise<unknown>;
    return run(...request);
  };
  return call as unknown as Call<K>;
}
