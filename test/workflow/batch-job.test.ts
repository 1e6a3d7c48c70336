import { setTimeout as delay } from 'node:timers/promises';
import { activityInfo, Context, heartbeat } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { JobProgress, JobReport } from '../../src/core/progress.ts';
import { simpleApi, recordHistories, specOf, startServer, withWorker } from './simple-worker.ts';

let server: Awaited<ReturnType<typeof startServer>>;
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  await server.stop();
});

afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail') await recordHistories(server.client, jobs.at(-1)!);
});

const jobs: string[] = [];
const begin = (jobId: string, args: unknown[]) =>
  server.client.workflow.start('batchJob', {
    workflowId: jobs[jobs.push(jobId) - 1]!,
    taskQueue: jobId,
    args,
  });

async function runsOf(jobId: string): Promise<number> {
  let runs = 0;
  for await (const _ of server.client.workflow.list({ query: `WorkflowId = '${jobId}'` })) runs += 1;
  return runs;
}

test('continues as new several times and sends no shard twice', async () => {
  const { activities, created, most } = simpleApi(24);
  const report = await withWorker(server.native, 'continued', activities, async () => {
    const handle = await begin('continued', [specOf('continued'), undefined, { maxHistoryEvents: 90 }]);
    return (await handle.result()) as JobReport;
  });
  expect(report.batches).toBe(24);
  expect(new Set(created).size).toBe(24);
  expect(most()).toBeLessThanOrEqual(4);
  await expect.poll(() => runsOf('continued'), { timeout: 100_000 }).toBeGreaterThanOrEqual(3);
});

test('packs lines that are sent again into the next round until none is left', async () => {
  const { activities, created } = simpleApi(3, [4, 1]);
  const report = await withWorker(server.native, 'rounds', activities, async () => {
    const handle = await begin('rounds', [specOf('rounds')]);
    return (await handle.result()) as JobReport;
  });
  expect(report.rounds).toBe(3);
  expect(created.sort()).toEqual(['r1-00001/1', 'r1-00002/1', 'r1-00003/1', 'r2-00001/1', 'r3-00001/1']);
});

test('pauses when the account is refused, reports why, and continues after resume', async () => {
  const { activities, created } = simpleApi(2);
  const original = { ...activities };
  let refused = true;
  activities.createBatch = async (request) => {
    if (refused) {
      throw refusedAccount('POST /batches: HTTP 401');
    }
    return await original.createBatch(request);
  };
  await withWorker(server.native, 'paused', activities, async () => {
    const handle = await begin('paused', [specOf('paused')]);
    await expect
      .poll(async () => (await handle.query<JobProgress>('progress')).state, { timeout: 100_000 })
      .toBe('paused');
    expect((await handle.query<JobProgress>('progress')).reason).toContain('HTTP 401');
    expect(created).toEqual([]);
    refused = false;
    await handle.signal('resume');
    await handle.result();
  });
  expect(created).toHaveLength(2);
});

test('a pause during the uploads prevents the creation of their batches', async () => {
  const { activities, created } = simpleApi(4);
  const uploaded: string[] = [];
  let isPaused = false;
  activities.uploadInput = async ({ shard }) => {
    uploaded.push(shard);
    await expect.poll(() => isPaused, { timeout: 100_000 }).toBe(true);
    return `file-${shard}`;
  };
  await withWorker(server.native, 'held-after-upload', activities, async () => {
    const handle = await begin('held-after-upload', [specOf('held-after-upload')]);
    await expect.poll(() => uploaded.length, { timeout: 100_000 }).toBe(4);
    await handle.signal('pause', 'lunch');
    isPaused = true;
    const events = async () => (await handle.fetchHistory()).events ?? [];
    const stepsEnded = async (): Promise<number> =>
      (await events()).filter((event) => event.activityTaskCompletedEventAttributes).length;
    await expect.poll(stepsEnded, { timeout: 100_000 }).toBe(5); // the uploads, and the step that built the shards
    // The query returns after the workflow has processed all of this.
    expect(await handle.query<JobProgress>('progress')).toMatchObject({ state: 'paused', created: 0 });
    const steps = (await events()).map(
      (event) => event.activityTaskScheduledEventAttributes?.activityType?.name,
    );
    expect(steps).not.toContain('createBatch');
    await handle.signal('resume');
    await handle.result();
  });
  expect(uploaded).toHaveLength(4);
  expect(created).toHaveLength(4);
});

test('a pause right after a resume ends no round', async () => {
  const { activities, created } = simpleApi(3);
  const progress = async (): Promise<JobProgress> => await handle.query<JobProgress>('progress');
  const handle = await begin('held-again', [specOf('held-again')]);
  await handle.signal('pause', 'lunch');
  await withWorker(server.native, 'held-again', activities, async () => {
    await expect.poll(async () => (await progress()).state, { timeout: 100_000 }).toBe('paused');
  });
  // Without a worker, one workflow task delivers both signals.
  await handle.signal('resume');
  await handle.signal('pause', 'tea');
  await withWorker(server.native, 'held-again', activities, async () => {
    await expect.poll(async () => (await progress()).reason, { timeout: 100_000 }).toBe('tea');
    expect((await progress()).state).toBe('paused');
    expect(created).toEqual([]);
    await handle.signal('resume');
    await handle.result();
  });
  expect(created).toHaveLength(3);
});

/** A failure as activities throw it, but without a stack: a recorded history must not name files of this machine. */
function refusedAccount(message: string): ApplicationFailure {
  const failure = ApplicationFailure.create({ type: 'AccountRefused', message, nonRetryable: true });
  failure.stack = '';
  return failure;
}

test('a refused account is probed, by one read and then by one shard, until it is accepted', async () => {
  const { activities, created } = simpleApi(4);
  const original = { ...activities };
  const asked: string[] = [];
  activities.createBatch = async (request) => {
    asked.push('create');
    // Four shards are refused, and then the first two that probe the account.
    if (asked.filter((call) => call === 'create').length <= 6)
      throw refusedAccount('POST /batches: HTTP 429 insufficient_quota');
    return await original.createBatch(request);
  };
  activities.checkAccount = async () => {
    asked.push('check');
    if (asked.filter((call) => call === 'check').length === 1)
      throw refusedAccount('GET /batches: HTTP 401 invalid_api_key');
  };
  await withWorker(server.native, 'probed', activities, async () => {
    const handle = await begin('probed', [specOf('probed'), undefined, { patience: 0.001 }]);
    await handle.result();
  });
  expect(created).toHaveLength(4);
  expect(asked.slice(0, 10).join(' ')).toBe(
    'create create create create check check create check create check',
  );
});

test('a cancel while the key is refused probes at growing intervals and ends when the key is accepted', async () => {
  const { activities, created } = simpleApi(2);
  const calls = { check: 0, poll: 0, cancel: 0 };
  let refused = true;
  activities.cancelBatch = async () => {
    calls.cancel += 1;
    if (refused) throw refusedAccount('POST /batches/{id}/cancel: HTTP 401');
  };
  activities.pollBatches = async ({ batches }) => {
    calls.poll += 1;
    return batches.map(({ batchId }) => ({
      batchId,
      status: refused ? 'in_progress' : 'cancelled',
      completed: 0,
      failed: 0,
      windowMs: null,
      refusal: null,
    }));
  };
  activities.checkAccount = async () => {
    calls.check += 1;
    if (refused) throw refusedAccount('GET /batches: HTTP 401');
  };
  await withWorker(server.native, 'refused-cancel', activities, async () => {
    const handle = await begin('refused-cancel', [specOf('refused-cancel'), undefined, { patience: 0.001 }]);
    await expect.poll(() => created.length, { timeout: 100_000 }).toBe(2);
    await handle.signal('cancel');
    await expect.poll(() => calls.check, { timeout: 100_000 }).toBeGreaterThanOrEqual(3);
    const { state, reason } = await handle.query<JobProgress>('progress');
    expect(state).toBe('cancelling');
    expect(reason).toMatch(/^the API refused the account: .*HTTP 401$/);
    const { poll, cancel } = calls;
    await expect.poll(() => calls.check, { timeout: 100_000 }).toBeGreaterThanOrEqual(5);
    expect(calls).toMatchObject({ cancel });
    expect(calls.poll).toBeGreaterThan(poll); // polls are not refused, and continue
    refused = false;
    await handle.result();
  });
  expect(created).toHaveLength(2);
});

test('a cancel from Temporal cancels the batches, fetches their answers and starts nothing new', async () => {
  const { activities, created } = simpleApi(8);
  const cancelled: string[] = [];
  const ended = new Set<string>();
  activities.cancelBatch = async ({ batchId }) => {
    cancelled.push(batchId);
    ended.add(batchId);
  };
  activities.pollBatches = async ({ batches }) =>
    batches.map(({ batchId }) => ({
      batchId,
      status: ended.has(batchId) ? 'cancelled' : 'in_progress',
      completed: 0,
      failed: 0,
      windowMs: null,
      refusal: null,
    }));
  await withWorker(server.native, 'cancelled', activities, async () => {
    const handle = await begin('cancelled', [specOf('cancelled')]);
    await expect.poll(() => created.length, { timeout: 100_000 }).toBe(4);
    await expect
      .poll(async () => (await handle.query<JobProgress>('progress')).created, { timeout: 100_000 })
      .toBe(4);
    await handle.cancel();
    await handle.result();
    // The cancels start immediately: at most one poll starts beside them, and none between them.
    const { events } = await handle.fetchHistory();
    const asked = events!.findIndex((event) => event.workflowExecutionCancelRequestedEventAttributes != null);
    const steps = events!.slice(asked).flatMap((event) => {
      const name = event.activityTaskScheduledEventAttributes?.activityType?.name;
      return name == null ? [] : [name];
    });
    expect(steps.slice(0, 5).filter((name) => name === 'cancelBatch')).toHaveLength(4);
  });
  expect(created).toHaveLength(4);
  expect(cancelled).toHaveLength(4);
});

/** A failure without a stack; see `refusedAccount`. */
function finalFailure(type: string, message: string, details: unknown[] = []): ApplicationFailure {
  const failure = ApplicationFailure.create({ type, message, details, nonRetryable: true });
  failure.stack = '';
  return failure;
}

test('a shard that is refused permanently ends alone: the others are sent, fetched and returned', async () => {
  const { activities, created } = simpleApi(4);
  const original = { ...activities };
  const settled: unknown[] = [];
  activities.uploadInput = async (request) => {
    if (request.shard === 'r1-00001')
      throw finalFailure('InputTooLarge', 'POST /files: HTTP 413', [{ status: 413, code: null }]);
    return await original.uploadInput(request);
  };
  activities.createBatch = async (request) => {
    if (request.shard === 'r1-00003')
      throw finalFailure('RequestRefused', 'POST /batches: HTTP 400 no', [{ status: 400, code: 'no' }]);
    return await original.createBatch(request);
  };
  activities.settleRefusedShard = async (request) => {
    settled.push(request);
    return await original.settleRefusedShard(request);
  };
  await withWorker(server.native, 'refused-shards', activities, async () => {
    const handle = await begin('refused-shards', [specOf('refused-shards')]);
    await handle.result();
    const { answered, failed, notices } = await handle.query<JobProgress>('progress');
    expect({ answered, failed }).toEqual({ answered: 20, failed: 20 });
    expect(notices).toEqual([
      'the API refused shard r1-00001, 10 lines from 1 to 10: HTTP 413',
      'the API refused shard r1-00003, 10 lines from 1 to 10: HTTP 400',
    ]);
  });
  expect(created.sort()).toEqual(['r1-00002/1', 'r1-00004/1']);
  expect(settled).toEqual([
    {
      job: 'refused-shards',
      shard: 'r1-00001',
      batch: 1,
      refusal: { tooLarge: true, status: 413, code: null },
    },
    {
      job: 'refused-shards',
      shard: 'r1-00003',
      batch: 1,
      refusal: { tooLarge: false, status: 400, code: 'no' },
    },
  ]);
});

test.each([
  ['an unread batch', 'fetchResults' as const, 'BatchUnknown'],
  ['an upload that failed for another reason', 'uploadInput' as const, 'SomethingElse'],
])('%s pauses the job with a reason, polls continue, and resume tries again', async (_what, step, type) => {
  const id = `stuck-${step}`;
  const { activities, created } = simpleApi(3);
  const original = { ...activities };
  let fails = true;
  const failing = async (request: { shard: string }): Promise<never> => {
    if (fails && request.shard === 'r1-00002') throw finalFailure(type, 'what only a person can fix');
    return (await original[step](request as never)) as never;
  };
  activities[step] = failing;
  await withWorker(server.native, id, activities, async () => {
    const handle = await begin(id, [specOf(id)]);
    const progress = async (): Promise<JobProgress> => await handle.query<JobProgress>('progress');
    await expect.poll(async () => (await progress()).state, { timeout: 100_000 }).toBe('paused');
    const { reason } = await progress();
    expect(reason).toMatch(/^shard r1-00002, 10 lines: /);
    // A foreign failure may quote anything.
    expect(reason!.includes('what only a person can fix')).toBe(type === 'BatchUnknown');
    // Shards that are in flight are polled and fetched meanwhile.
    await expect.poll(async () => (await progress()).answered, { timeout: 100_000 }).toBe(20);
    fails = false;
    await handle.signal('resume');
    await handle.result();
    expect(await progress()).toMatchObject({ answered: 30, failed: 0 });
  });
  expect(created).toHaveLength(3);
});

test('rows with a billing error pause the job; their lines are sent again when the account is accepted', async () => {
  const { activities, created } = simpleApi(1, [4]);
  const original = { ...activities };
  let checks = 0;
  activities.fetchResults = async (request) => {
    const counts = await original.fetchResults(request);
    return request.shard === 'r1-00001' ? { ...counts, accountRefused: 'insufficient_quota' } : counts;
  };
  activities.checkAccount = async () => {
    checks += 1;
    if (checks === 1) throw refusedAccount('GET /batches: HTTP 401');
    expect(created).toHaveLength(1);
  };
  await withWorker(server.native, 'refused-rows', activities, async () => {
    const handle = await begin('refused-rows', [specOf('refused-rows'), undefined, { patience: 0.01 }]);
    const reasons: (string | null)[] = [];
    await expect
      .poll(
        async () => {
          const { reason } = await handle.query<JobProgress>('progress');
          if (reason !== null) reasons.push(reason);
          return reason;
        },
        { timeout: 100_000, interval: 20 },
      )
      .not.toBeNull();
    expect(reasons[0]).toMatch(
      /^the API refused the account: insufficient_quota in rows of batch_r1-00001_1|HTTP 401$/,
    );
    await handle.result();
  });
  expect(checks).toBe(2);
  expect(created).toEqual(['r1-00001/1', 'r2-00001/1']);
});

test('polls continue after a failed poll, and while every cancel fails permanently', async () => {
  const { activities, created } = simpleApi(2);
  const calls = { poll: 0, cancel: 0, turns: [] as unknown[] };
  const failing = (message: string): ApplicationFailure => {
    const failure = ApplicationFailure.nonRetryable(message, 'RequestRefused');
    failure.stack = '';
    return failure;
  };
  let isOver = false;
  activities.cancelBatch = async () => {
    calls.cancel += 1;
    throw failing('POST /batches/{id}/cancel: HTTP 500');
  };
  activities.pollBatches = async ({ batches, turn }) => {
    calls.poll += 1;
    calls.turns.push(turn);
    if (calls.poll <= 2) throw failing('GET /batches/{id}: HTTP 500');
    // One of the two is never read until the end.
    return batches.slice(0, isOver ? 2 : 1).map(({ batchId }) => ({
      batchId,
      status: isOver ? 'completed' : 'in_progress',
      completed: 0,
      failed: 0,
      windowMs: null,
      refusal: null,
      unknownStatus: 'ready',
    }));
  };
  await withWorker(server.native, 'polls-on', activities, async () => {
    const handle = await begin('polls-on', [specOf('polls-on'), undefined, { patience: 0.0001 }]);
    const notices = async (): Promise<string> =>
      (await handle.query<JobProgress>('progress')).notices.join('\n');
    await expect.poll(() => created.length, { timeout: 100_000 }).toBe(2);
    await expect.poll(notices, { timeout: 100_000 }).toContain('not known here (ready)');
    await expect.poll(notices, { timeout: 100_000 }).toContain('1 batch could not be read for 10 min');
    await handle.signal('cancel');
    await expect.poll(() => calls.cancel, { timeout: 100_000 }).toBe(2);
    await expect.poll(notices, { timeout: 100_000 }).toContain('2 batches could not be cancelled yet');
    const before = calls.poll;
    await expect.poll(() => calls.poll, { timeout: 100_000 }).toBeGreaterThan(before + 2);
    await expect.poll(() => calls.cancel, { timeout: 100_000 }).toBeGreaterThanOrEqual(4);
    isOver = true;
    await handle.result();
  });
  expect(created).toHaveLength(2);
  // Each poll activity after a successful one has the next turn, for all its polls.
  expect([...new Set(calls.turns)].slice(0, 3)).toEqual([0, 1, 2]);
});

test('neither continue-as-new nor a cancel waits for an upload that is retried forever', async () => {
  const { activities, created } = simpleApi(12);
  const original = { ...activities };
  let polls = 0;
  activities.uploadInput = async (request) => {
    if (request.shard === 'r1-00002') throw new Error('503 for ever');
    return await original.uploadInput(request);
  };
  activities.pollBatches = async (request) => {
    polls += 1;
    return await original.pollBatches(request);
  };
  await withWorker(server.native, 'given-up', activities, async () => {
    const args = [specOf('given-up'), undefined, { maxHistoryEvents: 90 }];
    const handle = await begin('given-up', args);
    // All others are sent and fetched, over several runs.
    await expect.poll(() => created.length, { timeout: 100_000 }).toBe(11);
    await expect
      .poll(async () => (await handle.query<JobProgress>('progress')).answered, { timeout: 100_000 })
      .toBe(110);
    await expect.poll(() => runsOf('given-up'), { timeout: 100_000 }).toBeGreaterThanOrEqual(2);
    expect(polls).toBeGreaterThan(3);
    await handle.signal('cancel');
    await handle.result();
  });
  expect(created).toHaveLength(11);
});

test.each([
  [
    'runs on a worker without heartbeats',
    'unheard',
    async () => {
      await delay(4_000); // the heartbeat timeout is a second
      throw new Error('too late');
    },
  ],
  [
    'fails in its last attempt',
    'last-attempt',
    async () => {
      const beats = setInterval(() => heartbeat(), 100);
      await Context.current().cancelled.catch(() => {});
      clearInterval(beats);
      throw new Error('503');
    },
  ],
])('a step that was given up and %s continues in the next run', async (_what, id, hang) => {
  const { activities, created } = simpleApi(12);
  const original = { ...activities };
  const runs = new Set<string>();
  activities.uploadInput = async (request) => {
    const { runId } = activityInfo().workflowExecution!;
    runs.add(runId);
    return request.shard === 'r1-00002' && runs.size === 1
      ? await hang()
      : await original.uploadInput(request);
  };
  await withWorker(server.native, id, activities, async () => {
    const handle = await begin(id, [specOf(id), undefined, { maxHistoryEvents: 60, heartbeatMs: 1_000 }]);
    await handle.result();
    const { answered, state, reason } = await handle.query<JobProgress>('progress');
    expect({ answered, state, reason }).toEqual({ answered: 120, state: 'done', reason: null });
  });
  expect(runs.size).toBeGreaterThan(1);
  expect(created).toHaveLength(12);
});

test('another pass continues after the earlier rounds, with their totals', async () => {
  const { activities, created } = simpleApi(2);
  const build = activities.buildShards;
  activities.buildShards = async (spec) => ({ ...(await build(spec)), pass: 2 });
  const asked: unknown[] = [];
  const report: JobReport = {
    job_id: 'pass',
    lines: 20,
    answered: 7,
    failed: 9,
    cancelled: 4,
    rounds: 3,
    batches: 5,
    input_tokens: 70,
    output_tokens: 7,
    cost_usd: 0.5,
    cost_usd_without_batch: 1,
    errors: {},
    started_at: '2026-11-01T00:00:00.000Z',
    finished_at: '',
  };
  activities.buildPass = async (request) => {
    asked.push(request);
    return {
      round: 3,
      plan: { shards: 1, lines: 10, shardLines: [10], rejected: 0, rebought: true },
      report,
    };
  };
  let rounds = 0;
  const { assembleResults } = activities;
  activities.assembleResults = async (request) => {
    rounds = request.rounds;
    expect(request.startedAt).toBe(report.started_at);
    return await assembleResults(request);
  };
  await withWorker(server.native, 'pass', activities, async () => {
    const handle = await begin('pass', [specOf('pass'), undefined, { maxHistoryEvents: 30 }]);
    await handle.result();
    expect(await handle.query<JobProgress>('progress')).toMatchObject({
      round: 4,
      answered: 17,
      failed: 3,
      created: 6,
    });
  });
  expect(asked).toEqual([{ job: 'pass', pass: 2, shardLines: 10, shardBytes: 1_000_000 }]);
  expect(created).toEqual(['r4-00001/1']);
  expect(rounds).toBe(4);
});
