/** What a job writes into the server's list and its event history, on a real server. */
import { ApplicationFailure } from '@temporalio/common';
import proto from '@temporalio/proto';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { PROGRESS_MEMO, type ListedProgress } from '../../src/core/job-listing.ts';
import type { JobLabels } from '../../src/core/job-spec.ts';
import {
  simpleApi,
  recordHistories,
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

const jobs: string[] = [];
afterEach(async ({ task }) => {
  for (const jobId of jobs.splice(0)) {
    if (task.result?.state !== 'fail') await recordHistories(server.client, jobId);
  }
});

const begin = (jobId: string, args: unknown[]) =>
  server.client.workflow.start('batchJob', {
    workflowId: jobs[jobs.push(jobId) - 1]!,
    taskQueue: jobId,
    args,
  });
type Handle = Awaited<ReturnType<typeof begin>>;

const listed = async (handle: Handle): Promise<ListedProgress> =>
  (await handle.describe()).memo?.[PROGRESS_MEMO] as ListedProgress;

/** Attributes as the server has them, without their types. */
const attributesOf = async (handle: Handle): Promise<Record<string, unknown>> => {
  const { typedSearchAttributes } = await handle.describe();
  return Object.fromEntries(typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]));
};

const { EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES, EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED } =
  proto.temporal.api.enums.v1.EventType;

const labels: JobLabels = { account: 'team-a', schedule: 'nightly', searchable: true };

/** Ids as long as the API's: 38 characters. */
const longId = (shard: string): string => `batch_${shard.replaceAll(/\D/g, '').padStart(32, '0')}`;

/** An API whose batches end when the test calls `end`. */
function patientApi(shards: number): { activities: SimpleActivities; end: () => void; polls: () => number } {
  const { activities } = simpleApi(shards);
  let ended = false;
  let polls = 0;
  activities.buildShards = async () => ({
    shards,
    lines: shards * 10,
    shardLines: Array.from({ length: shards }, () => 10),
    rejected: 0,
    models: ['gpt-5-mini', 'gpt-5'],
  });
  activities.createBatch = async ({ shard }) => ({
    batchId: longId(shard),
    createdAt: 1_790_000_000,
    adopted: false,
  });
  activities.pollBatches = async ({ batches }) => {
    polls += 1;
    return batches.map(({ batchId }) => ({
      batchId,
      status: ended ? 'completed' : 'in_progress',
      completed: polls,
      failed: 0,
      windowMs: null,
      refusal: null,
    }));
  };
  activities.fetchResults = async () => ({
    answered: 9,
    failed: 1,
    again: 0,
    inputTokens: 100,
    cachedTokens: 0,
    outputTokens: 50,
    costUsd: 0.25,
    costUsdWithoutBatch: 0.5,
  });
  return { activities, end: () => (ended = true), polls: () => polls };
}

test('100 batches in flight: attributes and memo contain the progress of the job, within the limits, and cost few events', async () => {
  const { activities, end, polls } = patientApi(100);
  await withWorker(server.native, 'listed', activities, async () => {
    const handle = await begin('listed', [specOf('listed', { inFlight: 100, labels })]);
    await expect
      .poll(async () => (await handle.query<{ batches: object }>('progress')).batches, { timeout: 100_000 })
      .toEqual({ in_progress: 100 });
    const polled = polls();
    await expect.poll(polls, { timeout: 100_000 }).toBeGreaterThan(polled + 1);
    const { DurableBatchBatchIds: ids, ...others } = await attributesOf(handle);
    expect(others).toMatchObject({
      DurableBatchStatus: 'running',
      DurableBatchModels: ['gpt-5-mini', 'gpt-5'],
      DurableBatchAccount: 'team-a',
      DurableBatchSchedule: 'nightly',
    });
    expect(ids).toHaveLength(46);
    expect(new Set(ids as string[]).size).toBe(46);
    expect(Buffer.byteLength(JSON.stringify(ids))).toBeLessThanOrEqual(1_900);
    expect(await listed(handle)).toMatchObject({ state: 'running', lines: 1_000, answered: 0, costUsd: 0 });
    end();
    await handle.result();
    const { DurableBatchStatus, DurableBatchBatchIds } = await attributesOf(handle);
    expect([DurableBatchStatus, DurableBatchBatchIds]).toEqual(['done', undefined]);
    expect(await listed(handle)).toMatchObject({ state: 'done', answered: 900, failed: 100, batches: {} });

    const { events = [] } = await handle.fetchHistory();
    const count = (type: proto.temporal.api.enums.v1.EventType): number =>
      events!.filter(({ eventType }) => eventType === type).length;
    // Building (which our client sets at the start, without an event), running, end of the round, assembling, done.
    expect(count(EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED)).toBe(5);
    // One for each of the four states, and at most one for each poll that finds other batches in flight; those of patches are not ours.
    const ours = events!.filter(({ upsertWorkflowSearchAttributesEventAttributes: upsert }) => {
      const names = Object.keys(upsert?.searchAttributes?.indexedFields ?? {});
      return names.some((name) => name.startsWith('DurableBatch'));
    });
    expect(ours.length).toBeGreaterThanOrEqual(4);
    expect(ours.length).toBeLessThanOrEqual(4 + polls());
    expect(events!.length / 100).toBeLessThan(14);
  });
});

test('a job that only waits writes nothing', async () => {
  const { activities, end, polls } = patientApi(2);
  await withWorker(server.native, 'waiting', activities, async () => {
    const handle = await begin('waiting', [specOf('waiting', { labels })]);
    await expect.poll(polls, { timeout: 100_000 }).toBeGreaterThan(3);
    const upserts = async (): Promise<number> => {
      const { events } = await handle.fetchHistory();
      const types: unknown[] = [
        EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
        EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED,
      ];
      return events!.filter(({ eventType }) => types.includes(eventType)).length;
    };
    const before = await upserts();
    const polled = polls();
    // Counts change at every poll, but are not written either.
    await expect.poll(polls, { timeout: 100_000 }).toBeGreaterThan(polled + 8);
    expect(await upserts()).toBe(before);
    end();
    await handle.result();
  });
});

test.each<[what: string, labels: JobLabels | undefined]>([
  ['without labels, as another application starts it', undefined],
  ['on a namespace without our search attributes', { ...labels, searchable: false }],
])('a job %s has a memo and no attributes', async (_what, given) => {
  const id = given === undefined ? 'unlabelled' : 'unsearchable';
  const { activities, end } = patientApi(2);
  end();
  await withWorker(server.native, id, activities, async () => {
    const handle = await begin(id, [specOf(id, given === undefined ? {} : { labels: given })]);
    await handle.result();
    expect(Object.keys(await attributesOf(handle)).filter((name) => name.startsWith('Durable'))).toEqual([]);
    expect(await listed(handle)).toMatchObject({ state: 'done', lines: 20, answered: 18 });
  });
});

test('the time of the last change, the settled shards and their cost are carried from run to run', async () => {
  const { activities, end } = patientApi(3);
  const original = { ...activities };
  // The first batch ends immediately, the others wait through several runs.
  activities.pollBatches = async (request) =>
    (await original.pollBatches(request)).map((reading) =>
      reading.batchId === longId('r1-00001') ? { ...reading, status: 'completed' } : reading,
    );
  await withWorker(server.native, 'carried', activities, async () => {
    const handle = await begin('carried', [specOf('carried'), undefined, { maxHistoryEvents: 60 }]);
    const runs = async (): Promise<string[]> => {
      const ids: string[] = [];
      for await (const { runId } of server.client.workflow.list({ query: `WorkflowId = 'carried'` }))
        ids.push(runId);
      return ids;
    };
    await expect.poll(async () => (await runs()).length, { timeout: 100_000 }).toBeGreaterThanOrEqual(4);
    const snapshots = await Promise.all((await runs()).map((run) => snapshotOf(run)));
    const carried = snapshots.filter((snapshot) => snapshot !== null);
    expect(carried.length).toBeGreaterThanOrEqual(2);
    for (const { settled, costUsd } of carried) {
      expect(settled).toMatchObject([{ id: 'r1-00001', answered: 9, batchId: longId('r1-00001') }]);
      expect(costUsd).toBe(0.25);
    }
    const times = new Set(carried.map(({ changedAt }) => changedAt));
    expect(times.size).toBe(1);
    expect([...times][0]).toBeTypeOf('number');
    end();
    await server.client.workflow.getHandle('carried').result();
    expect(await listed(handle)).toMatchObject({ state: 'done', answered: 27 });
  });
});

interface Carried {
  changedAt: number;
  costUsd: number;
  settled: unknown[];
}

/** The snapshot with which a run of `carried` started; null for its first. */
async function snapshotOf(runId: string): Promise<Carried | null> {
  const { events } = await server.client.workflow.getHandle('carried', runId).fetchHistory();
  const [, snapshot] = events![0]!.workflowExecutionStartedEventAttributes!.input!.payloads!;
  const data = snapshot?.data;
  return data == null || data.length === 0 ? null : (JSON.parse(Buffer.from(data).toString()) as Carried);
}

test('every activity and every timer has a summary', async () => {
  const { activities } = simpleApi(3, [4]);
  const original = { ...activities };
  const refusals = ['AllowanceExhausted', 'AccountRefused'];
  activities.createBatch = async (request) => {
    const type = refusals.pop();
    if (type === undefined) return await original.createBatch(request);
    const failure = ApplicationFailure.create({ type, message: 'refused', nonRetryable: true });
    failure.stack = '';
    throw failure;
  };
  const summaries: string[] = [];
  const gather = async (handle: Handle): Promise<void> => {
    const { events } = await handle.fetchHistory();
    for (const {
      activityTaskScheduledEventAttributes: task,
      timerStartedEventAttributes: timer,
      userMetadata,
    } of events!) {
      if (task == null && timer == null) continue;
      const data = userMetadata?.summary?.data;
      const summary = data == null ? null : (JSON.parse(Buffer.from(data).toString()) as string);
      expect(summary, task?.activityType?.name ?? 'a timer').toBeTypeOf('string');
      summaries.push(`${task?.activityType?.name ?? 'timer'}: ${summary}`);
    }
  };
  await withWorker(server.native, 'summaries', activities, async () => {
    const spec = specOf('summaries', { pollMs: 1_000 });
    const handle = await begin('summaries', [spec, undefined, { patience: 0.01 }]);
    await handle.result();
    await gather(handle);
  });
  const cancelled = patientApi(2);
  cancelled.activities.cancelBatch = async () => cancelled.end();
  const id = 'summaries-cancelled';
  await withWorker(server.native, id, cancelled.activities, async () => {
    const handle = await begin(id, [specOf(id, { inFlight: 1 })]);
    await expect.poll(cancelled.polls, { timeout: 100_000 }).toBeGreaterThan(0);
    await handle.signal('cancel');
    await handle.result();
    await gather(handle);
  });
  for (const summary of [
    'buildShards: read, check and cut input.jsonl, 1 bytes',
    'uploadInput: upload shard r1-00001, 10 lines',
    'createBatch: create the batch of shard r1-00001, 10 lines',
    'checkAccount: does the API accept the key again? probe 1',
    'timer: asks the refused account again, probe 1',
    'timer: until the next poll of 2 batches',
    'watchBatches: poll 1 batch in flight',
    'fetchResults: fetch and settle shard r1-00001, 10 lines, batch_r1-00001_1',
    'buildRetryShards: pack 12 lines that go again into shards of round 2',
    'assembleResults: join the rows of 2 rounds into results.jsonl, add up the report',
    `cancelBatch: cancel ${longId('r1-00001')} of shard r1-00001`,
    'findBought: search for batches of 1 shards that were not sent',
  ])
    expect(summaries).toContain(summary);
  expect(summaries.join('\n')).toMatch(
    /timer: shard r1-0000\d, 10 lines waits for the token allowance, refusal 1/,
  );
});
