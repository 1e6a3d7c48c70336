import { Context, heartbeat } from '@temporalio/activity';
import proto from '@temporalio/proto';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { WatchReply, WatchRequest } from '../../src/activities/index.ts';
import { toWatchReply } from '../../src/activities/batches/watch-reply.ts';
import { batchesOf } from '../../src/core/batch-groups.ts';
import type { BatchStatus } from '../../src/core/batch-status.ts';
import type { JobProgress, JobReport } from '../../src/core/progress.ts';
import { shardId } from '../../src/core/shard-plan.ts';
import { newSnapshot, type JobSnapshot } from '../../src/workflows/job-state.ts';
import {
  simpleApi,
  recordHistories,
  specOf,
  startServer,
  withPollWorker,
  withWorker,
} from './simple-worker.ts';

type Event = proto.temporal.api.history.v1.IHistoryEvent;
const { History } = proto.temporal.api.history.v1;
const HOUR_MS = 3_600_000;
const MINUTES_MS = 10 * 60_000;

let server: Awaited<ReturnType<typeof startServer>>;
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  await server.stop();
});

let jobId: string;
afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail') await recordHistories(server.client, jobId);
});

/** A job whose batches have run for an hour, so that its polls have their longest duration. */
function quietJob(shards: number): JobSnapshot {
  const hourAgo = Date.now() - HOUR_MS;
  const active = Array.from({ length: shards }, (_, i) => ({
    id: shardId(1, i),
    lines: 10,
    upload: 1,
    batch: 1,
    fileId: `file-${i}`,
    batchId: `batch_${i}`,
    createdAt: Math.round(hourAgo / 1_000),
    sentAt: hourAgo,
    refusals: 0,
  }));
  return {
    ...newSnapshot(new Date(hourAgo)),
    plan: { shards, lines: shards * 10, shardLines: active.map(({ lines }) => lines), rejected: 0 },
    next: shards,
    active,
    created: shards,
    lines: shards * 10,
    window: 1_000,
    changedAt: hourAgo,
    pollQueue: true,
  };
}

async function begin(id: string, snapshot: JobSnapshot, tuning: object = {}) {
  jobId = id;
  const spec = specOf(id, { pollMs: 2_000, inFlight: 1_000 });
  return await server.client.workflow.start('batchJob', {
    workflowId: id,
    taskQueue: id,
    args: [spec, snapshot, tuning],
  });
}

/** The reply to a poll: all batches with this status, and 7 lines run in each. */
function replyTo(request: WatchRequest, status: BatchStatus): WatchReply {
  const reading = { status, completed: 7, failed: 0, windowMs: 24 * HOUR_MS, refusal: null };
  const polled = [...batchesOf(request.groups)].map(({ shard, batch, status: known }) => ({
    shard,
    batch,
    known,
    reading: { ...reading, batchId: shard },
  }));
  return toWatchReply(polled, true);
}

/** A poll that continues without a change until it is cancelled. */
async function pollOn(): Promise<never> {
  for (;;) {
    heartbeat();
    await Context.current().sleep(50);
  }
}

test.each([
  ['a wake-up', async (handle: Handle) => await handle.signal('poll')],
  ['a cancel', async (handle: Handle) => await handle.signal('cancel')],
])('a poll that lasts minutes is cancelled by %s', async (title, wake) => {
  const id = `woken-${title.slice(2)}`;
  const { activities } = simpleApi(2);
  const requests: WatchRequest[] = [];
  let isOver = false;
  const watch = async (request: WatchRequest): Promise<WatchReply> => {
    requests.push(request);
    if (requests.length === 1) return replyTo(request, 'in_progress');
    if (!isOver) return await pollOn();
    return replyTo(request, 'completed');
  };
  const report = await withWorker(server.native, id, activities, async () =>
    withPollWorker(server.native, id, watch, async () => {
      const handle = await begin(id, quietJob(2));
      await expect.poll(() => requests.length, { timeout: 100_000 }).toBe(2);
      isOver = true;
      await wake(handle);
      return (await handle.result()) as JobReport;
    }),
  );
  expect(report.lines).toBe(20);
  const [first, long, short] = requests;
  expect(first).toMatchObject({ lookMs: MINUTES_MS, afterMs: expect.any(Number) });
  expect(first!.groups).toEqual([{ status: 'created', round: 1, batch: 1, shards: '1x2' }]);
  expect(long!.groups).toEqual([{ status: 'in_progress', round: 1, batch: 1, shards: '1x2' }]);
  expect(long!.afterMs).toBeGreaterThan(50_000);
  expect(short!.afterMs).toBe(0);
});

type Handle = Awaited<ReturnType<typeof begin>>;

test.each(['in a queue of its own', 'in the main queue'])(
  'a poll %s whose only batch cannot be read ends for one that includes a new batch',
  async (queue) => {
    const id = `unreadable-${queue.replaceAll(' ', '-')}`;
    const { activities } = simpleApi(2);
    const { uploadInput, pollBatches } = activities;
    let failures = 0;
    const read = async (count: number): Promise<void> => {
      if (count > 1) return;
      failures += 1;
      throw new Error('HTTP 500');
    };
    activities.uploadInput = async (request) => {
      if (request.shard === shardId(1, 1)) await expect.poll(() => failures, { timeout: 100_000 }).toBe(2);
      return await uploadInput(request);
    };
    activities.pollBatches = async (request) => {
      await read(request.batches.length);
      return await pollBatches(request);
    };
    const watch = async (request: WatchRequest): Promise<WatchReply> => {
      await read([...batchesOf(request.groups)].length);
      return replyTo(request, 'completed');
    };
    const work = async (): Promise<void> => {
      const snapshot = { ...newSnapshot(new Date()), pollQueue: queue.startsWith('in a queue') };
      const handle = await begin(id, snapshot, { patience: 0.1, retryMs: 100 });
      expect(await handle.result()).toMatchObject({ lines: 20 });
    };
    await withWorker(server.native, id, activities, async () =>
      withPollWorker(server.native, id, watch, work),
    );
    expect(failures).toBeGreaterThanOrEqual(2);
  },
);

test('slow polls end while new batches keep coming', async () => {
  const shards = 12;
  const { activities } = simpleApi(shards);
  const { uploadInput } = activities;
  let polls = 0;
  let uploads = 0;
  activities.uploadInput = async (request) => {
    const others = uploads;
    uploads += 1;
    // A new batch is created during each poll, which does not include it.
    await expect.poll(() => polls, { timeout: 100_000 }).toBeGreaterThanOrEqual(Math.min(others, 6));
    return await uploadInput(request);
  };
  const watch = async (request: WatchRequest): Promise<WatchReply> => {
    polls += 1;
    for (let i = 0; i < 60; i += 1) {
      heartbeat();
      await Context.current().sleep(50);
    }
    return replyTo(request, 'completed');
  };
  const id = 'slow-polls';
  const { events } = await withWorker(server.native, id, activities, async () =>
    withPollWorker(server.native, id, watch, async () => {
      const snapshot = { ...newSnapshot(new Date()), pollQueue: true, window: shards };
      const handle = await begin(id, snapshot, { patience: 0.1 });
      expect(await handle.result()).toMatchObject({ lines: shards * 10 });
      return await handle.fetchHistory();
    }),
  );
  // Waits of 1, 2 and 4 s: the third exceeds the 3 s of a poll.
  const cancelRequests = events!.filter(({ activityTaskCancelRequestedEventAttributes: asked }) => asked);
  expect(cancelRequests.length).toBeGreaterThan(0);
  expect(cancelRequests.length).toBeLessThanOrEqual(4);
});

test('continue-as-new does not wait for a poll that lasts minutes', async () => {
  const { activities } = simpleApi(2);
  const requests: WatchRequest[] = [];
  let isOver = false;
  const watch = async (request: WatchRequest): Promise<WatchReply> => {
    requests.push(request);
    return isOver ? replyTo(request, 'completed') : await pollOn();
  };
  await withWorker(server.native, 'parked', activities, async () =>
    withPollWorker(server.native, 'parked', watch, async () => {
      const handle = await begin('parked', quietJob(2), { maxHistoryEvents: 40 });
      const runs = async (): Promise<number> => {
        let count = 0;
        for await (const _ of server.client.workflow.list({ query: `WorkflowId = 'parked'` })) count += 1;
        return count;
      };
      await expect.poll(() => requests.length, { timeout: 100_000 }).toBe(1);
      while ((await runs()) < 3) await handle.signal('resume');
      isOver = true;
      await handle.signal('poll');
      await handle.result();
    }),
  );
  // The time of the last change and the task queue of polls are carried over to the next run.
  for (const { lookMs, quietMs } of requests) {
    expect(lookMs).toBe(MINUTES_MS);
    expect(quietMs).toBeGreaterThanOrEqual(HOUR_MS);
  }
});

test('polls without a worker on their queue run as short ones in the main queue', async () => {
  const { activities } = simpleApi(2);
  activities.pollBatches = async ({ batches }) =>
    batches.map(({ batchId }) => ({
      batchId,
      status: 'completed',
      completed: 0,
      failed: 0,
      windowMs: null,
      refusal: null,
    }));
  await withWorker(server.native, 'unserved', activities, async () => {
    const handle = await begin('unserved', quietJob(2), { patience: 0.001 });
    expect(await handle.result()).toMatchObject({ lines: 20 });
    const { events } = await handle.fetchHistory();
    const queues = (events ?? []).flatMap(({ activityTaskScheduledEventAttributes: task }) =>
      task?.activityType?.name === 'watchBatches' ? [task.taskQueue?.name] : [],
    );
    expect(queues).toEqual(['unserved.polls', 'unserved']);
  });
});

test.each([10, 100, 1_000])('a poll of %i batches takes 6 events and less than 2 kB', async (shards) => {
  const id = `bytes-${shards}`;
  const { activities } = simpleApi(shards);
  let polls = 0;
  const watch = async (request: WatchRequest): Promise<WatchReply> => {
    polls += 1;
    return polls > 5 ? await pollOn() : replyTo(request, 'in_progress');
  };
  await withWorker(server.native, id, activities, async () =>
    withPollWorker(server.native, id, watch, async () => {
      const handle = await begin(id, quietJob(shards));
      await expect.poll(() => polls, { timeout: 100_000 }).toBe(6);
      const progress = await handle.query<JobProgress>('progress');
      expect(progress).toMatchObject({ running: 7 * shards, batches: { in_progress: shards } });
      expect(progress.table[0]).toMatchObject({ completed: 7, failed: 0, state: 'in_progress' });
      expect(progress.table).toHaveLength(Math.min(shards, 50));
      const events: Event[] = (await handle.fetchHistory()).events ?? [];
      await handle.terminate();
      const at = events.flatMap(({ activityTaskScheduledEventAttributes: task }, i) =>
        task?.activityType?.name === 'watchBatches' ? [i] : [],
      );
      const cycle = events.slice(at[3], at[4]);
      expect(cycle).toHaveLength(6);
      expect(History.encode({ events: cycle }).finish().length).toBeLessThan(2_000);
    }),
  );
});
