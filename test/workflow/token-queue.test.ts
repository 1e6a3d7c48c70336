/** Token queues and the jobs that use them, on a real server: continue-as-new of both, a queue that is terminated, one that nobody serves. */
import { setTimeout as delay } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { QueueActivities } from '../../src/activities/index.ts';
import { reportTokens } from '../../src/activities/report-tokens.ts';
import type { Dependencies } from '../../src/activities/step/dependencies.ts';
import { queueId, TOKEN_QUEUE } from '../../src/token-queue/names.ts';
import type { QueueView } from '../../src/token-queue/queue-view.ts';
import {
  recordHistories,
  simpleApi,
  specOf,
  startServer,
  withWorker,
  type SimpleActivities,
} from './simple-worker.ts';

let server: Awaited<ReturnType<typeof startServer>>;
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  await server.stop();
});

const recorded: string[] = [];
afterEach(async ({ task }) => {
  for (const id of recorded.splice(0))
    if (task.result?.state !== 'fail') await recordHistories(server.client, id);
});

const MODEL = 'gpt-5-mini';
const PATIENCE = 0.01;
const TOKENS = 100;

/** An API and a queue: batches end at their third poll while `isOpen`, and each shard has `TOKENS`. */
function queuedApi(shards: number): {
  activities: SimpleActivities & QueueActivities;
  api: { isOpen: boolean; ended: string[]; most: number };
} {
  const { activities } = simpleApi(shards);
  const api = { isOpen: true, ended: [] as string[], most: 0 };
  const deps = { api: { keyFingerprint: 'test' }, patience: PATIENCE } as unknown as Dependencies;
  const created = new Set<string>();
  const ended = new Set<string>();
  const polls = new Map<string, number>();
  const idOf = (job: string, shard: string, batch: number): string => `batch_${job}_${shard}_${batch}`;
  return {
    api,
    activities: {
      ...activities,
      createBatch: async ({ job, shard, batch }) => {
        const batchId = idOf(job, shard, batch);
        created.add(batchId);
        api.most = Math.max(api.most, created.size - ended.size);
        return { batchId, createdAt: 1_790_000_000, adopted: false };
      },
      pollBatches: async ({ job, batches }) =>
        batches.map(({ shard, batch, batchId: watched }) => {
          const batchId = idOf(job, shard, batch);
          const count = (polls.get(batchId) ?? 0) + 1;
          polls.set(batchId, count);
          const isOver = api.isOpen && count >= 3;
          if (isOver) ended.add(batchId);
          const status = isOver ? 'completed' : 'in_progress';
          return { batchId: watched, status, completed: 0, failed: 0, windowMs: null, refusal: null };
        }),
      fetchResults: async () => ({
        answered: 10,
        failed: 0,
        again: 0,
        inputTokens: TOKENS,
        cachedTokens: 0,
        outputTokens: 1,
      }),
      estimateTokens: async ({ shards: count }) =>
        Array.from({ length: count }, () => [MODEL, TOKENS] as const),
      reportTokens: (request) => reportTokens(deps, request),
      sweepTokenQueue: async ({ jobs }) => ({
        ended: api.ended.filter((job) => jobs.includes(job)),
        others: { tokens: {} },
      }),
    },
  };
}

const queueOf = (account: string): string => queueId({ account, model: MODEL });

const begin = async (jobId: string, account: string, limit: number | null, tuning: object = {}) =>
  await server.client.workflow.start('batchJob', {
    workflowId: recorded[recorded.push(jobId) - 1]!,
    taskQueue: account,
    args: [
      specOf(jobId, {
        inFlight: 20,
        labels: { account, schedule: null, searchable: false },
        tokenQueue: {
          priority: 'normal',
          ...(limit === null ? {} : { limits: { [MODEL]: limit } }),
        },
      }),
      undefined,
      { patience: PATIENCE, ...tuning },
    ],
  });

const viewOf = async (account: string): Promise<QueueView> =>
  await server.client.workflow.getHandle(queueOf(account)).query<QueueView>('queue');

test('two jobs share a limit through several runs of the queue and of the jobs', async () => {
  const account = 'shared';
  const { activities, api } = queuedApi(12);
  recorded.push(queueOf(account));
  await server.client.workflow.start(TOKEN_QUEUE, {
    workflowId: queueOf(account),
    taskQueue: account,
    args: [{ account, model: MODEL }, null, { patience: PATIENCE, maxHistoryEvents: 60 }],
  });
  await withWorker(server.native, account, activities, async () => {
    const jobs = [
      await begin('queued-1', account, 3 * TOKENS, { maxHistoryEvents: 120 }),
      await begin('queued-2', account, 3 * TOKENS, { maxHistoryEvents: 120 }),
    ];
    await Promise.all(jobs.map(async (job) => await job.result()));
    expect(api.most).toBe(3);
    await expect.poll(async () => (await viewOf(account)).jobs).toEqual([]);
    expect(await viewOf(account)).toMatchObject({ limit: 3 * TOKENS, limitSource: 'given', ours: 0 });
    for (const id of [queueOf(account), 'queued-1']) {
      let runs = 0;
      for await (const _ of server.client.workflow.list({ query: `WorkflowId = '${id}'` })) runs += 1;
      expect(runs, id).toBeGreaterThan(1);
    }
    await server.client.workflow.getHandle(queueOf(account)).terminate();
  });
});

test('a queue that is terminated is started again, and knows what its jobs have', async () => {
  const account = 'lost';
  const { activities, api } = queuedApi(8);
  await withWorker(server.native, account, activities, async () => {
    const job = await begin('lost-queue', account, 2 * TOKENS);
    await expect
      .poll(async () => (await viewOf(account).catch(() => null))?.ours ?? 0, { timeout: 60_000 })
      .toBeGreaterThan(0);
    await server.client.workflow.getHandle(queueOf(account)).terminate();
    await job.result();
    expect(api.most).toBeLessThanOrEqual(4); // until the next report both queues have granted
  });
});

test('a queue that no worker serves holds no job up', async () => {
  const account = 'unserved';
  const { activities } = queuedApi(4);
  await server.client.workflow.start(TOKEN_QUEUE, {
    workflowId: queueOf(account),
    taskQueue: 'nobody',
    args: [{ account, model: MODEL }, null, {}],
  });
  const never = async (): Promise<never> =>
    await Promise.reject(ApplicationFailure.nonRetryable('no worker replies'));
  await withWorker(server.native, account, { ...activities, reportTokens: never } as never, async () => {
    const job = await begin('unserved-queue', account, TOKENS);
    expect(await job.result()).toMatchObject({ answered: 40 });
  });
});

test('a job that has ended without a word gives its tokens back at the next sweep', async () => {
  const account = 'swept';
  const { activities, api } = queuedApi(4);
  api.isOpen = false;
  await withWorker(server.native, account, activities, async () => {
    const doomed = await begin('swept-1', account, 2 * TOKENS);
    await expect
      .poll(async () => (await viewOf(account).catch(() => null))?.ours ?? 0, { timeout: 60_000 })
      .toBe(2 * TOKENS);
    await doomed.terminate();
    api.ended.push('swept-1');
    api.isOpen = true;
    const next = await begin('swept-2', account, 2 * TOKENS);
    expect(await next.result()).toMatchObject({ answered: 40 });
  });
});

test('a priority does nothing to a job that shares no tokens', async () => {
  const { activities } = queuedApi(2);
  await withWorker(server.native, 'alone', activities, async () => {
    const job = await server.client.workflow.start('batchJob', {
      workflowId: 'alone',
      taskQueue: 'alone',
      args: [specOf('alone')],
    });
    await job.signal('priority', 'high');
    expect(await job.result()).toMatchObject({ answered: 20 });
  });
});

test('refusals that come while a report is sent are in the next one', async () => {
  const account = 'refused';
  const SHARDS = 4;
  const { activities } = queuedApi(SHARDS);
  const created = new Set<string>();
  const refused = new Set<string>();
  const reported = new Set<string>();
  /** The first of all batches is refused when all are created, and the others when that is being reported. */
  const isRefused = (shard: string): boolean =>
    created.size === SHARDS && (refused.has(shard) || refused.size === 0 || reported.size > 0);
  const refusing: Partial<SimpleActivities & QueueActivities> = {
    createBatch: async (request) => {
      created.add(request.shard);
      return await activities.createBatch(request);
    },
    pollBatches: async (request) => {
      const readings = await activities.pollBatches(request);
      return request.batches.map(({ shard, batch }, i) => {
        if (batch > 1) return readings[i]!;
        if (!isRefused(shard)) return { ...readings[i]!, status: 'in_progress' };
        refused.add(shard);
        return { ...readings[i]!, status: 'failed', refusal: 'token_limit', tokenLimit: 10 * TOKENS };
      });
    },
    reportTokens: async (request) => {
      for (const [key] of request.report.refused) reported.add(key.slice(0, key.indexOf('.')));
      if (reported.size > 0) await expect.poll(() => refused.size, { timeout: 60_000 }).toBe(SHARDS);
      await delay(200); // the workflow takes these refusals over meanwhile
      return await activities.reportTokens(request);
    },
  };
  await withWorker(server.native, account, { ...activities, ...refusing }, async () => {
    const job = await begin('refused-twice', account, null);
    expect(await job.result()).toMatchObject({ answered: 10 * SHARDS });
    expect(refused.size).toBe(SHARDS);
    expect(reported).toEqual(refused);
  });
});
