import { writeFileSync } from 'node:fs';
import { ApplicationFailure, defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import proto from '@temporalio/proto';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { PreparedRun, ScheduleActivities } from '../../src/activities/index.ts';
import { toTemporal } from '../../src/client/schedules/to-temporal.ts';
import type { JobReport } from '../../src/core/progress.ts';
import { RUN_MEMO, runJobId, type ScheduledRun, type ScheduleSpec } from '../../src/core/schedule-spec.ts';
import { simpleApi, specOf, startServer, withWorker, type SimpleActivities } from './simple-worker.ts';

/** See `recordHistories` of `simple-worker.ts`. */
const recordAs = process.env['RECORD_HISTORIES'];

let server: Awaited<ReturnType<typeof startServer>>;
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  await server.stop();
});

const recorded: string[] = [];
afterEach(async ({ task }) => {
  const names = recorded.splice(0);
  if (recordAs === undefined || task.result?.state === 'fail') return;
  for (const name of names) {
    for await (const { workflowId, runId } of server.client.workflow.list({
      query: `WorkflowId = 'run-${name}'`,
    })) {
      const history = await server.client.workflow.getHandle(workflowId, runId).fetchHistory();
      const file = `../replay/histories/${recordAs}-scheduled-${name}-${runId.slice(-4)}.binpb`;
      writeFileSync(
        new URL(file, import.meta.url),
        proto.temporal.api.history.v1.History.encode(history).finish(),
      );
    }
  }
});

/** A failure as activities throw it, but without a stack: a recorded history must not name files of this machine. */
function failure(type: string, message: string, nonRetryable: boolean): ApplicationFailure {
  const thrown = ApplicationFailure.create({ type, message, nonRetryable });
  thrown.stack = '';
  return thrown;
}

const dueTime = defineSearchAttributeKey('TemporalScheduledStartTime', SearchAttributeType.DATETIME);
const due = '2026-11-23T15:30:00.000Z';

const scheduleSpec: ScheduleSpec = {
  v: 1,
  name: 'daily',
  input: '/tmp/input.jsonl',
  cron: ['30 0 * * *'],
  everyMs: null,
  timeZone: 'Asia/Tokyo',
  jitterMs: 0,
  overlap: 'skip',
  catchUpMs: 86_400_000,
  onlyNew: false,
  out: null,
  job: {},
  searchable: false,
};

/** A run's own activities, around those of a job with batches that end at the second poll. */
class SimpleRun {
  readonly name: string;
  readonly saved: string[] = [];
  readonly asked: string[] = [];
  reports = new Map<string, JobReport>();
  readonly api: ReturnType<typeof simpleApi>;
  readonly activities: SimpleActivities & ScheduleActivities;

  constructor(name: string, changes: Partial<PreparedRun> = {}) {
    this.name = name;
    const job = `job-${name}`;
    this.api = simpleApi(2);
    const original = { ...this.api.activities };
    this.activities = {
      ...this.api.activities,
      assembleResults: async (request) => {
        const report = {
          ...(await original.assembleResults(request)),
          ...(request.cancelled ? { cancelled: 1 } : {}),
        };
        this.reports.set(request.job, report);
        return report;
      },
      prepareScheduledJob: async ({ dueAt }) => {
        this.asked.push(dueAt);
        return {
          input: '/tmp/input.jsonl',
          skipped: null,
          job: {
            spec: specOf(job),
            identity: 'same',
            out: '/tmp/out',
            report: this.reports.get(job) ?? null,
          },
          ...changes,
        };
      },
      awaitReport: async ({ job }) => {
        this.asked.push('report');
        const report = this.reports.get(job);
        if (report !== undefined) return report;
        const { status } = await server.client.workflow.getHandle(job).describe();
        if (status.name === 'RUNNING') throw failure('EarlierRunUnfinished', 'still works', false);
        return null;
      },
      saveResults: async ({ job, folder }) => {
        this.saved.push(`${job} ${folder}`);
      },
    };
    recorded.push(name);
  }

  /** Starts the run; its workflow id can be used again once it has ended. */
  start() {
    return server.client.workflow.start('scheduledJob', {
      workflowId: `run-${this.name}`,
      taskQueue: this.name,
      args: [scheduleSpec],
      typedSearchAttributes: [{ key: dueTime, value: new Date(due) }],
    });
  }

  /** A job whose batches end only when they are cancelled. */
  endOnlyWhenCancelled(): void {
    const ended = new Set<string>();
    this.activities.cancelBatch = async ({ batchId }) => void ended.add(batchId);
    this.activities.pollBatches = async ({ batches }) =>
      batches.map(({ batchId }) => ({
        batchId,
        status: ended.has(batchId) ? 'cancelled' : 'in_progress',
        completed: 0,
        failed: 0,
        windowMs: null,
        refusal: null,
      }));
  }

  async working<T>(work: () => Promise<T>): Promise<T> {
    return await withWorker(server.native, this.name, this.activities, work);
  }
}

test('runs the job of its time as a child and saves its results', async () => {
  const run = new SimpleRun('done');
  await run.working(async () => {
    const handle = await run.start();
    expect(await handle.result()).toEqual({
      outcome: 'done',
      job: 'job-done',
      input: '/tmp/input.jsonl',
      reason: null,
    } satisfies ScheduledRun);
    expect((await handle.describe()).memo?.[RUN_MEMO]).toMatchObject({ outcome: 'done', job: 'job-done' });
    const child = await server.client.workflow.getHandle('job-done').describe();
    expect(child.memo).toMatchObject({
      durable_batch_identity: 'same',
      durable_batch_progress: { state: 'done', lines: 20, answered: 20 },
    });
  });
  expect(run.asked).toEqual([due]);
  expect(run.api.created).toHaveLength(2);
  expect(run.saved).toEqual(['job-done /tmp/out']);
});

test('without an input it ends skipped, with a reason in the list', async () => {
  const run = new SimpleRun('skipped', { skipped: '/tmp/input.jsonl does not exist', job: null });
  await run.working(async () => {
    const handle = await run.start();
    const end = await handle.result();
    expect(end).toMatchObject({ outcome: 'skipped', job: null, reason: '/tmp/input.jsonl does not exist' });
    expect((await handle.describe()).memo?.[RUN_MEMO]).toEqual(end);
  });
  expect(run.api.created).toEqual([]);
});

test('a run whose job has already ended ends immediately', async () => {
  const run = new SimpleRun('again');
  await run.working(async () => {
    await (await run.start()).result();
    await (await run.start()).result();
  });
  expect(run.api.created).toHaveLength(2);
  expect(run.saved).toEqual(['job-again /tmp/out', 'job-again /tmp/out']);
});

test('a cancelled run cancels its job, and returns what was paid', async () => {
  const run = new SimpleRun('cancelled');
  run.endOnlyWhenCancelled();
  await run.working(async () => {
    const handle = await run.start();
    await expect.poll(() => run.api.created.length, { timeout: 100_000 }).toBe(2);
    await handle.cancel();
    expect(await handle.result()).toMatchObject({ outcome: 'done' });
  });
  expect(run.reports.get('job-cancelled')).toMatchObject({ cancelled: 1 });
  expect(run.saved).toEqual(['job-cancelled /tmp/out']);
});

test('a terminated run cancels its job; started again, it waits for that job and uses its report', async () => {
  const run = new SimpleRun('terminated');
  run.endOnlyWhenCancelled();
  await run.working(async () => {
    const handle = await run.start();
    await expect.poll(() => run.api.created.length, { timeout: 100_000 }).toBe(2);
    await handle.terminate('a test');
    const second = await run.start();
    expect(await second.result()).toMatchObject({ outcome: 'done', job: 'job-terminated' });
  });
  expect(run.api.created).toHaveLength(2);
  expect(run.reports.get('job-terminated')).toMatchObject({ cancelled: 1 });
  expect(run.saved).toEqual(['job-terminated /tmp/out']);
});

/** Resets a run to its beginning, as the Web UI does. */
async function reset(workflowId: string): Promise<void> {
  const { events } = await server.client.workflow.getHandle(workflowId).fetchHistory();
  const first = events!.find(({ workflowTaskCompletedEventAttributes: task }) => task != null)!;
  await server.client.workflowService.resetWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId },
    reason: 'a test',
    requestId: `reset-${workflowId}`,
    workflowTaskFinishEventId: first.eventId!,
  });
}

test('a run that is reset while its job works waits for that job, which continues', async () => {
  const run = new SimpleRun('reset');
  const original = { ...run.activities };
  let mayEnd = false;
  run.activities.pollBatches = async (request) => {
    const readings = await original.pollBatches(request);
    return mayEnd ? readings : readings.map((reading) => ({ ...reading, status: 'in_progress' as const }));
  };
  await run.working(async () => {
    const { workflowId } = await run.start();
    await expect.poll(() => run.api.created.length, { timeout: 100_000 }).toBe(2);
    await reset(workflowId);
    await expect.poll(() => run.asked, { timeout: 100_000 }).toContain('report');
    mayEnd = true;
    expect(await server.client.workflow.getHandle(workflowId).result()).toMatchObject({
      outcome: 'done',
      job: 'job-reset',
    });
  });
  expect(run.api.created).toHaveLength(2);
  expect(run.reports.get('job-reset')).toMatchObject({ answered: 20, cancelled: 0 });
});

test('a run that is reset and then cancelled cancels the job that it waits for', async () => {
  const run = new SimpleRun('reset-cancelled');
  run.endOnlyWhenCancelled();
  await run.working(async () => {
    const { workflowId } = await run.start();
    await expect.poll(() => run.api.created.length, { timeout: 100_000 }).toBe(2);
    await reset(workflowId);
    await expect.poll(() => run.asked, { timeout: 100_000 }).toContain('report');
    const handle = server.client.workflow.getHandle(workflowId);
    await handle.cancel();
    expect(await handle.result()).toMatchObject({ outcome: 'done', job: 'job-reset-cancelled' });
  });
  expect(run.reports.get('job-reset-cancelled')).toMatchObject({ cancelled: 1 });
});

test('a run whose job is refused fails with the reason, and can be started again', async () => {
  const run = new SimpleRun('refused');
  const original = { ...run.activities };
  run.activities.buildShards = async () => {
    throw failure('BadInput', '/tmp/input.jsonl:2: the line is not valid JSON: fix it.', true);
  };
  await run.working(async () => {
    const handle = await run.start();
    await expect(handle.result()).rejects.toThrow();
    expect((await handle.describe()).memo?.[RUN_MEMO]).toMatchObject({
      job: 'job-refused',
      reason: expect.stringContaining(':2: the line is not valid JSON'),
    });
    run.activities.buildShards = (spec) => original.buildShards(spec);
  });
  await run.working(async () => {
    expect(await (await run.start()).result()).toMatchObject({ outcome: 'done' });
  });
});

test('a run whose time has a job with other options fails with that reason before it starts anything', async () => {
  const run = new SimpleRun('conflict');
  run.activities.prepareScheduledJob = async () => {
    throw failure('RunConflict', 'Job job-conflict exists with other options.', true);
  };
  await run.working(async () => {
    const handle = await run.start();
    await expect(handle.result()).rejects.toThrow();
    expect((await handle.describe()).memo?.[RUN_MEMO]).toEqual({
      outcome: null,
      job: null,
      input: null,
      reason: 'Job job-conflict exists with other options.',
    });
  });
  expect(run.api.created).toEqual([]);
});

test.each([
  ['skip', 'all runs that fall due meanwhile are skipped'],
  ['cancel-other', 'it is cancelled, keeps what was paid, and the next one begins'],
] as const)('while a run works, with %s, %s', async (overlap, _then) => {
  const run = new SimpleRun(overlap);
  run.endOnlyWhenCancelled();
  run.activities.prepareScheduledJob = async ({ spec, dueAt }) => ({
    input: spec.input,
    skipped: null,
    job: {
      spec: specOf(runJobId(overlap, new Date(dueAt))),
      identity: 'same',
      out: '/tmp/out',
      report: null,
    },
  });
  const spec: ScheduleSpec = { ...scheduleSpec, name: overlap, cron: [], everyMs: 1_000, overlap };
  await run.working(async () => {
    const schedule = await server.client.schedule.create({
      scheduleId: overlap,
      ...toTemporal(spec, overlap),
    });
    if (overlap === 'skip') {
      await expect
        .poll(async () => (await schedule.describe()).info.numActionsSkippedOverlap, { timeout: 100_000 })
        .toBeGreaterThanOrEqual(2);
      expect((await schedule.describe()).info).toMatchObject({ numActionsTaken: 1 });
    } else {
      await expect.poll(() => run.saved.length, { timeout: 100_000 }).toBeGreaterThanOrEqual(2);
    }
    const { info } = await schedule.describe();
    expect(info.runningActions.length).toBeLessThanOrEqual(1);
    await schedule.delete();
    for (const { workflow } of info.runningActions) {
      const handle = server.client.workflow.getHandle(workflow.workflowId);
      await handle.cancel().catch(() => undefined); // the next run may have cancelled it
      await handle.result().catch(() => undefined);
    }
  });
  expect([...run.reports.values()][0]).toMatchObject({ cancelled: 1 });
  expect(run.saved.length).toBeGreaterThanOrEqual(overlap === 'skip' ? 1 : 2);
});
