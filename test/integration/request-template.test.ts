/** Jobs over rows with a request template, against a real server, a worker process and the emulator. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import proto from '@temporalio/proto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  answerEmbedding,
  answerText,
  BatchClient,
  type JobHandle,
  type StartOptions,
} from '../../src/index.ts';
import { resolveStart } from '../../src/job/start-options.ts';
import { shardFiles } from '../../src/store/job-files.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { StartSettings, TemplateOptions } from '../../src/client/index.ts';
import { CliHarness } from '../support/cli-harness.ts';

const lab = new CliHarness();
let client: BatchClient;

beforeAll(async () => {
  await lab.useEmulator({});
  client = await BatchClient.connect({ home: lab.home });
  lab.start(['worker']);
});
afterAll(async () => {
  await client.close();
  await lab.close();
});

async function startRows(
  rows: readonly object[],
  template: TemplateOptions,
  options: Omit<StartSettings, keyof TemplateOptions> = {},
): Promise<JobHandle> {
  return await client.start({ rows, pollSeconds: 0.1, ...template, ...options });
}

test('rows become answers with their ids; a bad row is a failed one; no text of the template is in the history', async () => {
  const job = await startRows(
    [
      { id: 'a', review: '{"label":"good"}' },
      { id: 'b', review: '' },
      { id: 9_007_199_254_740_991, review: '{"label":"bad"}' },
    ],
    {
      prompt: '{{ review | strip }}',
      system: 'MARKED {{ id }}',
      model: 'gpt-5-mini',
      id: { column: 'id' },
      answer: z.object({ label: z.enum(['good', 'bad']) }),
    },
    { skipBadLines: true },
  );
  expect(await job.report()).toMatchObject({ lines: 3, answered: 2, failed: 1 });
  const rows = [];
  for await (const { id, status, error } of job.results()) rows.push([id, status, error?.message ?? null]);
  expect(rows).toEqual([
    ['a', 'answered', null],
    ['b', 'failed', 'The row has an empty prompt: fill in the columns of the prompt, or leave the row out.'],
    ['9007199254740991', 'answered', null],
  ]);
  const history = proto.temporal.api.history.v1.History.encode(await client.history(job.id)).finish();
  expect(Buffer.from(history).includes('gpt-5-mini')).toBe(true); // as one of the models of the job
  expect(Buffer.from(history).includes('MARKED')).toBe(false);
});

test('a bad row ends its job; a finished job does not need its template', async () => {
  const bad = await startRows([{ review: 'x' }, { review: '' }], {
    prompt: '{{ review }}',
    model: 'gpt-5-mini',
  });
  await expect(bad.report()).rejects.toMatchObject({
    code: 'bad_input',
    message: expect.stringMatching(/:2: the row has an empty prompt/) as string,
    details: { line: 2 },
  });
  const start = async (): Promise<JobHandle> =>
    await startRows([{ review: 'y' }], { prompt: '{{ review }}', model: 'gpt-5-mini' }, { jobId: 'again' });
  const job = await start();
  expect(await job.report()).toMatchObject({ answered: 1 });
  rmSync(join(lab.home, 'store/inputs'), { recursive: true });
  expect(await job.report()).toMatchObject({ answered: 1 });
  expect(await (await start()).report()).toMatchObject({ answered: 1 });
});

/** Starts a job twice; the second start joins the first job, and nothing is bought again. */
async function startTwice(options: () => StartOptions): Promise<{ answered: number; rows: unknown[] }> {
  const before = await lab.ledger();
  const job = await client.start(options());
  const { answered } = await job.report();
  const again = await client.start(options());
  expect(again.id).toBe(job.id);
  expect(await again.report()).toMatchObject({ answered });
  expect((await lab.ledger()).paid - before.paid).toBe(answered);
  const rows = [];
  for await (const row of again.results()) rows.push([row.id, answerText(row)]);
  return { answered, rows };
}

const quick = { model: 'gpt-5-mini', pollSeconds: 0.1 };

describe('client.start()', () => {
  test('with reuse takes answers of identical requests from other jobs, and pays for the others only', async () => {
    const rowsOf = (...texts: string[]): object[] => texts.map((review) => ({ review }));
    const options = { ...quick, prompt: 'Reuse: {{ review }}' };
    const first = await client.start({ ...options, rows: rowsOf('a', 'b') });
    await first.report();
    const { paid } = await lab.ledger();
    const next = await client.start({ ...options, rows: rowsOf('b', 'c', 'a'), reuse: true });
    expect(await next.report()).toMatchObject({ answered: 3, reused: 2 });
    expect((await lab.ledger()).paid - paid).toBe(1);
    const [batches, texts] = [new Set<string | null>(), [] as (string | null)[]];
    for await (const row of next.results()) {
      batches.add(row.batch_id);
      texts.push(answerText(row));
    }
    expect(batches.size).toBe(2);
    expect(texts.every((text) => text !== null)).toBe(true);
  });

  test('a table with a prompt', async () => {
    const input = join(lab.folder, 'reviews.csv');
    writeFileSync(input, 'id,review\nx,"good, really"\ny,bad\n');
    const start = (): StartOptions => ({
      input,
      prompt: '{{ review }} of MARKED',
      id: { column: 'id' },
      ...quick,
    });
    expect(await startTwice(start)).toEqual({
      answered: 2,
      rows: [
        ['x', 'good, really of MARKED'],
        ['y', 'bad of MARKED'],
      ],
    });
    // The rows of the job are those of its start.
    writeFileSync(input, 'id,review\nx,changed\n');
    expect((await startTwice(start)).rows).toEqual([['x', 'changed of MARKED']]);
  });

  test('rows of an iterable, the results of a query, and ready requests', async () => {
    async function* rows(): AsyncGenerator<object> {
      for (let n = 1; n <= 3; n += 1) yield await Promise.resolve({ n });
    }
    const texts = ['row 1', 'row 2', 'row 3'].map((text, i) => [String(i + 1), text]);
    expect((await startTwice(() => ({ rows: rows(), prompt: 'row {{ n }}', ...quick }))).rows).toEqual(texts);
    const sql = 'select n from range(4, 6) as numbers(n)';
    expect((await startTwice(() => ({ sql, prompt: 'row {{ n }}', ...quick }))).rows).toEqual([
      ['1', 'row 4'],
      ['2', 'row 5'],
    ]);
    async function* requests(): AsyncGenerator<object> {
      const messages = [{ role: 'user', content: 'ready' }];
      yield await Promise.resolve({ custom_id: 'mine', body: { messages } });
    }
    expect((await startTwice(() => ({ requests: requests(), ...quick }))).rows).toEqual([['mine', 'ready']]);
  });

  test('embeddings of chunks of documents', async () => {
    mkdirSync(join(lab.folder, 'docs'));
    writeFileSync(join(lab.folder, 'docs/a.md'), 'One sentence here. Another one there.');
    writeFileSync(join(lab.folder, 'docs/b.md'), 'Short.');
    const job = await client.start({
      input: join(lab.folder, 'docs/*.md'),
      chunkTokens: 5,
      embed: true,
      model: 'text-embedding-3-small',
      pollSeconds: 0.1,
    });
    const vectors = [];
    for await (const row of job.results()) vectors.push(answerEmbedding(row)?.length);
    expect(vectors).toEqual([expect.any(Number), expect.any(Number), expect.any(Number)]);
  });

  test('embeddings of Markdown share requests, and have the vectors of requests of their own', async () => {
    const before = await lab.ledger();
    const quickly = { model: 'text-embedding-3-small', pollSeconds: 0.1 };
    const input = join(import.meta.dirname, '../../docs/*.md');
    const params = { dimensions: 8 };
    const job = await client.start({ input, chunkTokens: 100, embed: true, params, ...quickly });
    const report = await job.report();
    expect(report).toMatchObject({ answered: report.lines, rounds: 1 });
    expect(report.lines).toBeGreaterThan(200);
    const shared = await lab.ledger();
    expect((shared.lines - before.lines) * 20).toBeLessThan(report.lines);
    expect(report.input_tokens).toBe(shared.input_tokens - before.input_tokens);

    const vectors = [];
    let tokens = 0;
    for await (const row of job.results()) {
      expect(row.response).toMatchObject({ data: [{ index: 0 }] });
      vectors.push(answerEmbedding(row));
      tokens += row.usage!.input_tokens;
    }
    expect(tokens).toBe(report.input_tokens);
    const store = openStore(join(lab.home, 'store'));
    const requests = (await store.read(shardFiles.requests(job.id, 'r1-00001')))!.split('\n').slice(0, -1);
    async function* own(): AsyncGenerator<object> {
      for (const request of requests) {
        const { body } = JSON.parse(request) as { body: object };
        yield await Promise.resolve({ body });
      }
    }
    const alone = await client.start({ requests: own(), ...quickly });
    const expected = [];
    for await (const row of alone.results()) expected.push(answerEmbedding(row));
    expect((await lab.ledger()).lines - shared.lines).toBe(requests.length); // ready requests are never joined
    expect(vectors).toEqual(expected);
  });

  test('a start that ended between its rows and its workflow leaves nothing that matters', async () => {
    const options = { rows: [{ n: 'killed' }], prompt: '{{ n }}', ...quick };
    const store = openStore(join(lab.home, 'store'));
    const { spec } = await resolveStart(options, store);
    expect(await client.job(spec.jobId).exists()).toBe(false);
    expect((await startTwice(() => options)).rows).toEqual([['1', 'killed']]);
    expect(await client.job(spec.jobId).exists()).toBe(true);
  });
});
