/** Results as tables, of jobs over rows and over ready requests, with a real server, a worker process and the emulator. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BatchClient, type JobHandle } from '../../src/index.ts';
import type { TemplateOptions } from '../../src/client/index.ts';
import { CliHarness } from '../support/cli-harness.ts';
import { readBack, typesOf } from '../support/finished-job.ts';

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

/** Starts a job over the rows of a query. */
async function startRows(sql: string, options: TemplateOptions): Promise<JobHandle> {
  return await client.start({ sql, pollSeconds: 0.1, skipBadLines: true, ...options });
}

test('a table of answers beside the columns of the input; its failed rows run again', async () => {
  const job = await startRows(
    `SELECT i AS id, CASE i WHEN 2 THEN '' ELSE '{"label":"good ' || i || '"}' END AS text, [i / 2] AS halves FROM range(1, 5) t(i)`,
    {
      prompt: '{{ text }}',
      model: 'gpt-5-mini',
      answer: {
        type: 'object',
        properties: { label: { type: 'string' } },
        required: ['label'],
        additionalProperties: false,
      },
    },
  );
  const path = join(lab.folder, 'out.parquet');
  expect(await job.save(path, { keep: ['id', 'halves'] })).toMatchObject({ answered: 3, failed: 1 });
  expect(await typesOf(path)).toMatchObject({ id: 'BIGINT', halves: 'DOUBLE[]', label: 'VARCHAR' });
  const rows = await readBack(path);
  expect(rows.map(({ id, halves, status }) => [id, halves, status])).toEqual([
    ['1', [0.5], 'answered'],
    ['2', [1], 'failed'],
    ['3', [1.5], 'answered'],
    ['4', [2], 'answered'],
  ]);
  expect(rows[1]).toMatchObject({ error: expect.stringContaining('empty prompt') as string });
  for (const row of rows.filter(({ status }) => status === 'answered'))
    expect(Number(row['input_tokens'])).toBeGreaterThan(0);

  const failed = await lab.run(['results', job.id, '--failed']);
  expect(failed.out).toBe('{"id":2,"text":"","halves":[1.0]}\n');
  const csv = join(lab.folder, 'failed.csv');
  expect((await lab.run(['results', job.id, '--failed', '--out', csv])).code).toBe(3);
  expect(readFileSync(csv, 'utf8')).toBe('id,text,halves\n2,"",[1.0]\n');
  expect((await lab.run(['results', job.id])).out.split('\n')).toHaveLength(5);
});

test('embeddings as a table and as a matrix; ready requests by their ids', async () => {
  const vectors = await startRows("SELECT 'text ' || i AS text FROM range(3) t(i)", {
    prompt: '{{ text }}',
    model: 'text-embedding-3-small',
    endpoint: '/v1/embeddings',
  });
  const [table, matrix] = [join(lab.folder, 'vectors.parquet'), join(lab.folder, 'vectors.npy')];
  await vectors.report();
  const saved = await lab.run(['results', vectors.id, '--out', table, '--npy', matrix]);
  expect(saved.err).toBe('');
  expect(saved).toMatchObject({
    code: 0,
    out: expect.stringContaining(`results     ${table}\nresults     ${matrix}`) as string,
  });
  const rows = await readBack(table);
  const { length } = rows[0]!['embedding'] as number[];
  const floats = new Float32Array(readFileSync(matrix).buffer.slice(128));
  expect(rows.flatMap(({ embedding }) => embedding as number[])).toEqual([...floats]);
  expect(floats).toHaveLength(3 * length);
});

test('run writes a table, and refuses a file that it did not write before anything is sent', async () => {
  const request = (id: string): string =>
    `${JSON.stringify({ custom_id: id, body: { model: 'gpt-5-mini', messages: [{ role: 'user', content: id }] } })}\n`;
  const input = lab.write(`${request('a')}${request('b')}`);
  const out = join(lab.folder, 'ready.csv');
  writeFileSync(out, 'mine');
  const sent = await lab.ledger();
  const refused = await lab.run(['run', input, '--out', out]);
  expect(refused).toMatchObject({
    code: 2,
    err: expect.stringContaining('is not the file that a job wrote') as string,
  });
  expect(await lab.ledger()).toEqual(sent);
  const run = await lab.run(['run', input, '--out', `${out}.csv`, '--poll', '0.1']);
  expect(run).toMatchObject({ code: 0, out: expect.stringContaining(`results     ${out}.csv`) as string });
  expect((await readBack(`${out}.csv`)).map((row) => row['custom_id'])).toEqual(['a', 'b']);
  expect((await lab.run(['run', input, '--out', `${out}.csv`])).code).toBe(0);
  expect(existsSync(join(lab.folder, '.ready.csv.csv.durable-batch-job'))).toBe(true);
});

test('failed requests are written to a file, and the lines that are no requests are counted, as without one', async () => {
  const request = (id: string, model: string): string =>
    `${JSON.stringify({ custom_id: id, body: { model, messages: [{ role: 'user', content: id }] } })}\n`;
  const input = lab.write(
    `not JSON\n${request('a', 'gpt-5-mini')}${request('b', 'text-embedding-3-small')}{}\n`,
  );
  const args = ['run', input, '--skip-bad-lines', '--poll', '0.1', '--job', 'left-out'];
  const out = join(lab.folder, 'left-out.csv');
  expect(await lab.run([...args, '--out', out])).toMatchObject({ code: 3 });
  const left = 'Left out: 2 lines that are not requests; their rows in the results have the reason.\n';
  const printed = await lab.run(['results', 'left-out', '--failed']);
  expect(printed).toMatchObject({ code: 0, err: left });
  const path = join(lab.folder, 'left-out.jsonl');
  expect(await lab.run(['results', 'left-out', '--failed', '--out', path])).toMatchObject({
    code: 3,
    err: left,
  });
  expect(readFileSync(path, 'utf8')).toBe(printed.out);
  expect(printed.out).toContain('"custom_id":"b"');
  expect(await lab.run(['results', 'left-out', '--failed', '--out', out])).toMatchObject({ code: 2 });
  expect(await lab.run(['results', 'left-out', '--out', path])).toMatchObject({
    code: 2,
    err: expect.stringContaining('holds the failed lines of job left-out') as string,
  });
});

test('images of rows are files beside the table, from one command', async () => {
  const input = join(lab.folder, 'motifs.csv');
  writeFileSync(input, 'motif\na cat\na dog\n');
  const out = join(lab.folder, 'art.parquet');
  const args = [
    'run',
    input,
    '--prompt',
    'Draw {{ motif }}',
    '--model',
    'gpt-image-1',
    '--out',
    out,
    '--poll',
    '0.1',
  ];
  for (const _time of [1, 2]) {
    const { code, err } = await lab.run([...args, '--endpoint', '/v1/images/generations', '--param', 'n=2']);
    expect({ code, err }).toMatchObject({ code: 0 });
  }
  const rows = await readBack(out);
  expect(rows.map(({ motif, images }) => [motif, images])).toEqual([
    ['a cat', ['art.images/1-1.png', 'art.images/1-2.png']],
    ['a dog', ['art.images/2-1.png', 'art.images/2-2.png']],
  ]);
  expect(readFileSync(join(lab.folder, 'art.images/2-2.png')).subarray(1, 4).toString()).toBe('PNG');
});
