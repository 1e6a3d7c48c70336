/** The client in code, against a real server, a worker process and the emulator. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { Client } from '@temporalio/client';
import { defineSearchAttributeKey } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { answerEmbedding, BatchClient, type JobHandle, type JobProgress } from '../../src/index.ts';
import { connectClient } from '../../src/temporal/index.ts';
import { CliHarness, slow, until } from '../support/cli-harness.ts';

const lab = new CliHarness();
const quick = { pollSeconds: 0.1, model: 'gpt-5-mini' };
let client: BatchClient;

/** Temporal's `IndexedValueType` of keywords, and gRPC's code for what already exists. */
const KEYWORD = 2;
const ALREADY_EXISTS = 6;

beforeAll(async () => {
  await lab.useEmulator(slow);
  client = await BatchClient.connect({ home: lab.home });
  lab.start(['worker']);
});
afterAll(async () => {
  await client.close();
  await lab.close();
});

/** The error that a call throws. */
async function thrownBy(call: Promise<unknown>): Promise<unknown> {
  return await call.then(
    () => 'nothing',
    (error: unknown) => error,
  );
}

/** A job without a worker. */
async function idleJob(jobId: string): Promise<JobHandle> {
  await using idle = await BatchClient.connect({ home: lab.home, taskQueue: 'nobody' });
  await idle.start({ input: lab.requests(1), jobId, ...quick });
  return client.job(jobId);
}

async function collect<T>(iterable: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of iterable) items.push(item);
  return items;
}

async function drain(iterable: AsyncIterable<unknown>): Promise<void> {
  for await (const _item of iterable);
}

describe('a job', () => {
  test('is followed to its end by several concurrent loops, and its rows are parsed by the schema', async () => {
    const answers = ['{"stars":1}', '{"stars":"two"}', 'three'];
    const job = await client.start({
      input: lab.write(answers.map((text, i) => `${lab.request(i + 1, text)}\n`).join('')),
      ...quick,
    });
    expect(await job.exists()).toBe(true);
    const states: JobProgress['state'][] = [];
    await Promise.all([
      (async () => {
        for await (const { state } of job.watch({ intervalMs: 100 })) states.push(state);
      })(),
      drain(job.watch({ intervalMs: 70 })),
    ]);
    expect(states.at(-1)).toBe('done');
    expect(await job.isFinished()).toBe(true);

    const rows = await collect(job.results({ schema: z.object({ stars: z.number() }) }));
    expect(rows.map(({ id, ok, value }) => [id, ok, value])).toEqual([
      ['id 1', true, { stars: 1 }],
      ['id 2', false, undefined],
      ['id 3', false, undefined],
    ]);
    expect(rows.map(({ issues }) => issues?.[0]?.path)).toEqual([undefined, ['stars'], []]);
    expect((await collect(job.results())).map(({ line }) => line)).toEqual([1, 2, 3]);
    expect((await job.save(join(lab.folder, 'saved'))).answered).toBe(3);
  });

  test('is done once its report is written, even before its workflow ends', async () => {
    const done = await client.start({ input: lab.requests(1), ...quick });
    const report = await done.report();
    const job = await idleJob('reported');
    const folder = join(lab.home, 'store/jobs/reported');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'report.json'), JSON.stringify({ ...report, job_id: 'reported' }));
    expect((await collect(job.watch())).map(({ state }) => state)).toEqual(['done']);
    expect(await job.status()).toMatchObject({ status: 'COMPLETED', state: 'done', retries: [] });
  });

  test('of embeddings returns the same vectors for floats and for base64', async () => {
    const body = { model: 'text-embedding-3-small', input: 'a text', dimensions: 8 };
    const lines = [body, { ...body, encoding_format: 'base64' }].map((it) => JSON.stringify({ body: it }));
    const job = await client.start({ input: lab.write(`${lines.join('\n')}\n`), pollSeconds: 0.1 });
    const vectors = (await collect(job.results())).map((row) => answerEmbedding(row)!);
    expect(vectors[0]).toHaveLength(8);
    for (const [i, value] of vectors[0]!.entries()) expect(vectors[1]![i]).toBeCloseTo(value, 6);
    const typed = await collect(job.results({ schema: z.array(z.number()).length(8) }));
    expect(typed.map(({ ok }) => ok)).toEqual([true, true]);
  });

  test('is watched with a query only after a change', async () => {
    let queries = 0;
    const connection = await connectClient(client.target);
    const counting = new Client({
      connection,
      namespace: client.target.namespace,
      interceptors: {
        workflow: [
          {
            query: async (input, next) => {
              queries += 1;
              return await next(input);
            },
          },
        ],
      },
    });
    const job = await client.start({ input: lab.requests(3), ...quick, pollSeconds: 3_600 });
    await until(async () => (await job.status()).progress?.created === 1);
    const watched = BatchClient.fromClient(counting, { home: lab.home }).job(job.id);
    let updates = 0;
    for await (const { created, state } of watched.watch({ intervalMs: 50 })) {
      updates += 1;
      if (updates === 20) expect(queries).toBeLessThan(5); // changes that the job still had to record
      if (updates % 20 === 0) await job.resume(); // a resume makes the job poll its batch
      expect([created, state === 'done' || updates < 200]).toEqual([1, true]);
    }
    expect(updates).toBeGreaterThan(20);
    await connection.close();
  });

  test('is paused, resumed and cancelled; afterwards it cannot be changed', async () => {
    const job = await client.start({ input: lab.requests(30), shardLines: 10, ...quick });
    await job.pause('lunch');
    await until(async () => (await job.status()).progress?.reason === 'lunch');
    await job.resume();
    await until(async () => (await job.status()).progress?.state !== 'paused');
    await job.cancel();
    const report = await job.report();
    expect(report.answered + report.cancelled).toBe(30);
    for (const change of [() => job.pause(), () => job.resume(), () => job.cancel()]) {
      expect(await thrownBy(change())).toMatchObject({ code: 'job_conflict' });
    }
  });
});

describe('waiting ends', () => {
  let job: JobHandle;
  beforeAll(async () => {
    job = await idleJob('waited-for');
  });

  test.each<[method: string, wait: (signal: AbortSignal) => Promise<unknown>]>([
    ['report', (signal) => job.report({ signal })],
    ['results', (signal) => drain(job.results({ signal }))],
    ['typed results', (signal) => drain(job.results({ signal, schema: z.string() }))],
    ['save', (signal) => job.save(join(lab.folder, 'never'), { signal })],
    ['watch', (signal) => drain(job.watch({ signal }))],
  ])('of %s with the reason of its signal', async (_method, wait) => {
    const mine = new Error('enough');
    const controller = new AbortController();
    const waiting = thrownBy(wait(controller.signal));
    setTimeout(() => controller.abort(mine), 200);
    expect(await waiting).toBe(mine);
    expect(await thrownBy(wait(AbortSignal.abort()))).toMatchObject({ name: 'AbortError' });
  });

  test('when the client is closed, and later calls report that it is closed', async () => {
    const other = await BatchClient.connect({ home: lab.home });
    const handle = other.job('waited-for');
    const waiting = thrownBy(handle.report());
    await new Promise((resolve) => void setTimeout(resolve, 200));
    await other.close();
    await other.close();
    const closed = { name: 'BatchError', code: 'client_closed' };
    expect(await waiting).toMatchObject(closed);
    for (const call of [
      () => handle.exists(),
      () => handle.isFinished(),
      () => handle.status(),
      () => drain(handle.watch()),
      () => handle.report(),
      () => drain(handle.results()),
      () => handle.pause(),
      () => drain(other.list()),
      () => other.history('waited-for'),
      () => other.start({ input: lab.requests(1) }),
    ]) {
      expect(await thrownBy(call())).toMatchObject(closed);
    }
  });
});

describe('an error has a code', () => {
  test('for an unknown job, in every method', async () => {
    const job = client.job('unknown');
    expect(await job.exists()).toBe(false);
    for (const call of [
      () => job.status(),
      () => drain(job.watch()),
      () => job.report(),
      () => drain(job.results()),
      () => job.save(join(lab.folder, 'unknown')),
      () => job.cancel(),
      () => job.pause(),
      () => job.resume(),
      () => client.history('unknown'),
    ]) {
      expect(await thrownBy(call())).toMatchObject({ name: 'BatchError', code: 'job_not_found' });
    }
  });

  test.each<[what: string, call: () => Promise<unknown>, code: string]>([
    ['an id that leads out of the store', async () => client.job('../../etc'), 'bad_option'],
    ['an invalid id', async () => client.job(undefined as never), 'bad_option'],
    ['no input', () => client.start({} as never), 'bad_option'],
    ['no options', () => client.start(undefined as never), 'bad_option'],
    ['an option out of range', () => client.start({ input: 'x', attempts: 0 }), 'bad_option'],
    ['an input that is missing', () => client.start({ input: join(lab.folder, 'none') }), 'bad_input'],
    ['an invalid interval', () => drain(client.job('x').watch({ intervalMs: 0 })), 'bad_option'],
    [
      'an invalid schema',
      () => drain(client.job('x').results({ schema: {} as never }) as AsyncIterable<unknown>),
      'bad_option',
    ],
    ['an invalid condition', () => drain(client.list({ query: 'no condition at all' })), 'bad_option'],
  ])('for %s', async (_what, call, code) => {
    const error = await thrownBy(call());
    expect(error).toMatchObject({ name: 'BatchError', code });
    expect((error as Error).cause).toBeUndefined();
  });

  test('for an id with another input', async () => {
    const input = lab.requests(1);
    await client.start({ input, jobId: 'taken', ...quick });
    await client.start({ input, jobId: 'taken', ...quick });
    const error = await thrownBy(client.start({ input: lab.requests(1), jobId: 'taken', ...quick }));
    expect(error).toMatchObject({ code: 'job_conflict', details: { jobId: 'taken' } });
  });

  test('for a job that failed, was terminated, or has no results', async () => {
    const bad = await client.start({ input: lab.write('{"body":{"messages":[]}}\n'), pollSeconds: 0.1 });
    expect(await thrownBy(bad.report())).toMatchObject({ code: 'bad_input', details: { line: 1 } });
    expect((await bad.status()).failure).toMatch(/names no model/);

    const ended = await idleJob('terminated');
    const connection = await connectClient(client.target);
    await connection.workflowService.terminateWorkflowExecution({
      namespace: 'default',
      workflowExecution: { workflowId: 'terminated' },
    });
    await connection.close();
    expect(await thrownBy(ended.report())).toMatchObject({ code: 'job_failed' });

    const folder = join(lab.home, 'store', 'jobs', 'half');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'report.json'), '{"job_id":"half"}');
    expect(await thrownBy(drain(client.job('half').results()))).toMatchObject({ code: 'store_unavailable' });
    writeFileSync(join(folder, 'report.json'), '{"job_id":');
    expect(await thrownBy(client.job('half').report())).toMatchObject({ code: 'store_unavailable' });
  });

  test('for a namespace that does not exist', async () => {
    await using elsewhere = await BatchClient.connect({
      home: lab.home,
      target: { ...client.target, namespace: 'none' },
    });
    for (const call of [() => elsewhere.job('x').status(), () => drain(elsewhere.list())]) {
      const error = await thrownBy(call());
      expect(error).toMatchObject({ code: 'temporal_unavailable' });
      expect(String(error)).toContain('has no namespace none');
    }
  });
});

describe('list', () => {
  test('filters by the attributes that every server has, newest first', async () => {
    const before = new Date();
    await idleJob('listed-1');
    await idleJob('listed-2');
    const idsOf = async (filter: Parameters<BatchClient['list']>[0]): Promise<string[]> =>
      (await collect(client.list(filter))).map(({ jobId }) => jobId);
    const recent = { startedAfter: before };
    await until(async () => (await idsOf(recent)).length === 2);
    expect(await idsOf(recent)).toEqual(['listed-2', 'listed-1']);
    expect(await idsOf({ ...recent, limit: 1 })).toEqual(['listed-2']);
    expect(await idsOf({ ...recent, status: 'COMPLETED' })).toEqual([]);
    expect(await idsOf({ ...recent, status: 'RUNNING', query: "WorkflowId = 'listed-1'" })).toEqual([
      'listed-1',
    ]);
    expect(await idsOf({ startedBefore: new Date(0) })).toEqual([]);
    const printed = await lab.run(['list', '--status', 'running', '--limit', '1', '--json']);
    expect(JSON.parse(printed.out)).toHaveLength(1);
    expect(await lab.run(['list', '--limit', '0'])).toMatchObject({ code: 2 });
  });

  test('escapes quotes: each value is found as it is, and none changes the query', async () => {
    const names = ["o'neil", "x' OR WorkflowType = 'batchJob", "two''s", 'plain'];
    const connection = await connectClient(client.target);
    const searchAttributes = { DurableBatchAccount: KEYWORD as never };
    await connection.operatorService
      .addSearchAttributes({ namespace: 'default', searchAttributes })
      .catch((error: { code?: number }) => {
        if (error.code !== ALREADY_EXISTS) throw error;
      });
    const raw = new Client({ connection });
    const key = defineSearchAttributeKey('DurableBatchAccount', 'KEYWORD');
    const start = async (value: string, i: number): Promise<unknown> =>
      await raw.workflow.start('batchJob', {
        workflowId: `of-account-${i}`,
        taskQueue: 'nobody',
        typedSearchAttributes: [{ key, value }],
      });
    // A new attribute takes a moment to be registered.
    await until(async () => (await thrownBy(start(names[0]!, 0))) === 'nothing');
    await Promise.all(names.slice(1).map((name, i) => start(name, i + 1)));
    await connection.close();
    for (const [i, account] of names.entries()) {
      await until(async () => (await collect(client.list({ account }))).length > 0);
      expect((await collect(client.list({ account }))).map(({ jobId }) => jobId)).toEqual([
        `of-account-${i}`,
      ]);
    }
    for (const account of ["y' OR WorkflowType = 'batchJob", "y\\' OR WorkflowType = 'batchJob"]) {
      expect(await collect(client.list({ account }))).toEqual([]);
    }
  });

  test('reports how to register search attributes that a namespace does not have', async () => {
    const connection = await connectClient(client.target);
    const day = { seconds: 86_400 as never };
    await connection.workflowService.registerNamespace({
      namespace: 'bare',
      workflowExecutionRetentionPeriod: day,
    });
    await connection.close();
    await using bare = await BatchClient.connect({
      home: lab.home,
      target: { ...client.target, namespace: 'bare' },
    });
    const listError = async (): Promise<unknown> => await thrownBy(collect(bare.list({ state: 'paused' })));
    await until(async () => !String(await listError()).includes('no namespace'));
    expect(await listError()).toMatchObject({
      code: 'bad_option',
      message: expect.stringMatching(
        /no search attribute DurableBatchStatus: .*`durable-batch setup`/,
      ) as string,
    });
    expect(await collect(bare.list({ status: 'RUNNING' }))).toEqual([]);
  });
});

test('neither a client nor a job shows its key when it is printed', async () => {
  const connection = { ...client.target.connection, apiKey: 'sk-secret', tls: false };
  await using other = await BatchClient.connect({ home: lab.home, target: { ...client.target, connection } });
  const job = other.job('x');
  const shown = [
    inspect(other, { depth: 9, showHidden: true }),
    inspect(job, { depth: 9, showHidden: true }),
  ];
  for (const text of [...shown, JSON.stringify(other), JSON.stringify(job)]) {
    expect(text).not.toContain('sk-secret');
  }
});

test('a store that cannot be read is named', async () => {
  const folder = join(lab.home, 'store', 'jobs', 'locked');
  mkdirSync(join(folder, 'report.json'), { recursive: true });
  expect(await thrownBy(client.job('locked').report())).toMatchObject({ code: 'store_unavailable' });
});
