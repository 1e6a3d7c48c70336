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
  literalApi,
  recordHistories,
  specOf,
  startServer,
  whilePolling,
  whileWorking,
} from './literal-worker.ts';

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

/** A job whose batches have run for an hour, so that its polls look for as long as they ever do. */
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

/** All batches of a request as they are, with 7 lines run in each. */
function see(request: WatchRequest, status: BatchStatus): WatchReply {
  const reading = { status, completed: 7, failed: 0, windowMs: 24 * HOUR_MS, refusal: null };
  const seen = [...batchesOf(request.groups)].map(({ shard, batch, status: known }) => ({
    shard,
    batch,
    known,
    reading: { ...reading, batchId: shard },
  }));
  return toWatchReply(seen, true);
}

/** Looks on until it is given up, and sees nothing. */
async function lookOn(): Promise<never> {
  for (;;) {
    heartbeat();
    await Context.current().sleep(50);
  }
}

test.each([
  ['a wake-up', async (handle: Handle) => await handle.signal('poll')],
  ['a cancel', async (handle: Handle) => await handle.signal('cancel')],
])('a poll that looks for minutes makes way for %s', async (title, wake) => {
  const id = `woken-${title.slice(2)}`;
  const { activities } = literalApi(2);
  const requests: WatchRequest[] = [];
  let isOver = false;
  const watch = async (request: WatchRequest): Promise<WatchReply> => {
    requests.push(request);
    if (requests.length === 1) return see(request, 'in_progress');
    if (!isOver) return await lookOn();
    return see(request, 'completed');
  };
  const report = await whileWorking(server.native, id, activities, async () =>
    whilePolling(server.native, id, watch, async () => {
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
  'a poll %s whose only batch cannot be read makes way for one that includes a new batch',
  async (queue) => {
    const id = `unreadable-${queue.replaceAll(' ', '-')}`;
    const { activities } = literalApi(2);
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
      return see(request, 'completed');
    };
    const work = async (): Promise<void> => {
      const snapshot = { ...newSnapshot(new Date()), pollQueue: queue.startsWith('in a queue') };
      const handle = await begin(id, snapshot, { patience: 0.1, retryMs: 100 });
      expect(await handle.result()).toMatchObject({ lines: 20 });
    };
    await whileWorking(server.native, id, activities, async () =>
      whilePolling(server.native, id, watch, work),
    );
    expect(failures).toBeGreaterThanOrEqual(2);
  },
);

test('slow polls end while new batches keep coming', async () => {
  const shards = 12;
  const { activities } = literalApi(shards);
  const { uploadInput } = activities;
  let polls = 0;
  let uploads = 0;
  activities.uploadInput = async (request) => {
    const others = uploads;
    uploads += 1;
    // So each poll gets a new batch that it does not include.
    await expect.poll(() => polls, { timeout: 100_000 }).toBeGreaterThanOrEqual(Math.min(others, 6));
    return await uploadInput(request);
  };
  const watch = async (request: WatchRequest): Promise<WatchReply> => {
    polls += 1;
    for (let i = 0; i < 60; i += 1) {
      heartbeat();
      await Context.current().sleep(50);
    }
    return see(request, 'completed');
  };
  const id = 'slow-polls';
  const { events } = await whileWorking(server.native, id, activities, async () =>
    whilePolling(server.native, id, watch, async () => {
      const snapshot = { ...newSnapshot(new Date()), pollQueue: true, window: shards };
      const handle = await begin(id, snapshot, { patience: 0.1 });
      expect(await handle.result()).toMatchObject({ lines: shards * 10 });
      return await handle.fetchHistory();
    }),
  );
  // Waits of 1, 2 and 4 s: the third exceeds the 3 s of a poll.
  const madeWay = events!.filter(({ activityTaskCancelRequestedEventAttributes: asked }) => asked);
  expect(madeWay.length).toBeGreaterThan(0);
  expect(madeWay.length).toBeLessThanOrEqual(4);
});

test('continue-as-new does not wait for a poll that looks for minutes', async () => {
  const { activities } = literalApi(2);
  const requests: WatchRequest[] = [];
  let isOver = false;
  const watch = async (request: WatchRequest): Promise<WatchReply> => {
    requests.push(request);
    return isOver ? see(request, 'completed') : await lookOn();
  };
  await whileWorking(server.native, 'parked', activities, async () =>
    whilePolling(server.native, 'parked', watch, async () => {
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
  // How long nothing has changed, and where polls have a queue, go from run to run.
  for (const { lookMs, quietMs } of requests) {
    expect(lookMs).toBe(MINUTES_MS);
    expect(quietMs).toBeGreaterThanOrEqual(HOUR_MS);
  }
});

test('polls that nobody takes from their queue are short ones, in the main queue', async () => {
  const { activities } = literalApi(2);
  activities.pollBatches = async ({ batches }) =>
    batches.map(({ batchId }) => ({
      batchId,
      status: 'completed',
      completed: 0,
      failed: 0,
      windowMs: null,
      refusal: null,
    }));
  await whileWorking(server.native, 'unserved', activities, async () => {
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
  const { activities } = literalApi(shards);
  let polls = 0;
  const watch = async (request: WatchRequest): Promise<WatchReply> => {
    polls += 1;
    return polls > 5 ? await lookOn() : see(request, 'in_progress');
  };
  await whileWorking(server.native, id, activities, async () =>
    whilePolling(server.native, id, watch, async () => {
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
