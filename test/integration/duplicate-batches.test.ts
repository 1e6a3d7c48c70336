/**
 * A process is stopped between its last check and its POST, and wakes up after another one has found no batch and
 * created one: it creates a second batch. Here the test itself sends that second POST.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { BatchClient, type JobHandle, type ResultRow } from '../../src/client/index.ts';
import type { EmulatorOptions, FaultRule } from 'openai-batch-emulator';
import { CliHarness, slow, until } from '../support/cli-harness.ts';

const lab = new CliHarness();
let client: BatchClient;
beforeAll(async () => {
  await lab.useEmulator(slow);
  client = await BatchClient.connect({ home: lab.home });
});
afterEach(() => {
  lab.killAll();
});
afterAll(async () => {
  await client.close();
  await lab.close();
});

const api = (): OpenAI => new OpenAI({ apiKey: 'any', baseURL: lab.emulator.url, maxRetries: 0 });

async function begin(jobId: string, lines: number, options: EmulatorOptions): Promise<JobHandle> {
  await lab.useEmulator(options);
  const input = lab.requests(lines);
  const job = await client.start({ input, jobId, shardLines: 20, pollSeconds: 0.1 });
  lab.start(['worker']);
  return job;
}

/** The job's batches at the API, oldest first. */
async function batches(): Promise<OpenAI.Batch[]> {
  return (await api().batches.list({ limit: 100 })).data.toReversed();
}

async function createAgain(fileId: string, metadata: Record<string, string>): Promise<OpenAI.Batch> {
  return await api().batches.create({
    input_file_id: fileId,
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
    metadata,
  });
}

async function copyOf(batch: OpenAI.Batch): Promise<OpenAI.Batch> {
  return await createAgain(batch.input_file_id, batch.metadata!);
}

const statusOf = async (id: string): Promise<string> => (await api().batches.retrieve(id)).status;

/** Every line has one row and an answer, the report counts what was paid twice, and every batch was read. */
async function expectWhole(job: JobHandle, lines: number): Promise<{ answers: number; batches: number }> {
  const report = await job.report();
  const rows: number[] = [];
  for await (const row of job.results()) rows.push(row.line);
  expect(rows).toEqual(Array.from({ length: lines }, (_, i) => i + 1));
  const ledger = await lab.ledger();
  expect(ledger.batches_unread).toBe(0);
  expect(report).toMatchObject({ answered: lines, failed: 0, cancelled: 0 });
  expect(report.duplicates!.answers).toBe(ledger.paid - lines);
  return report.duplicates!;
}

test('a later duplicate is cancelled at the next poll, and the report counts its cost', async () => {
  const job = await begin('later', 20, slow);
  await until(async () => (await batches()).length === 1);
  const [own] = await batches();
  const duplicate = await copyOf(own!);
  expect(await expectWhole(job, 20)).toMatchObject({ batches: 1 });
  expect(await statusOf(own!.id)).toBe('completed');
  expect(await statusOf(duplicate.id)).toBe('cancelled');
});

test('the older of two batches is kept, even if the newer one is on record', async () => {
  const holdFirst: FaultRule = {
    on: 'call',
    call: 'batches.create',
    nth: 1,
    fault: { kind: 'hold', when: 'before', ms: 2_500 },
  };
  const job = await begin('older', 20, { ...slow, faults: [holdFirst] });
  await until(async () => (await api().files.list()).data.length === 1);
  const [file] = (await api().files.list()).data;
  await until(async () => {
    const { calls } = await lab.admin<{ calls: Record<string, { count: number }> }>('/emulator/calls');
    return calls['batches.create']!.count >= 1;
  });
  const record = readFileSync(join(lab.home, 'store/jobs/older/api.json'), 'utf8');
  const duplicate = await createAgain(file!.id, {
    durable_batch_shard: 'older/r1-00001/1',
    durable_batch_job: 'older',
    durable_batch_store: (JSON.parse(record) as { instance: string }).instance,
  });
  expect(await expectWhole(job, 20)).toMatchObject({ batches: 1 });
  expect(await statusOf(duplicate.id)).toBe('completed');
  const own = (await batches()).find(({ id }) => id !== duplicate.id)!;
  expect(await statusOf(own.id)).toBe('cancelled');
});

test('answers of a duplicate are used for lines that its batch has not answered', async () => {
  const expires: FaultRule = { on: 'batch', nth: 1, fault: { kind: 'expire', afterFraction: 0.5 } };
  const lasts: FaultRule = {
    on: 'batch',
    nth: 1,
    fault: { kind: 'stuck', status: 'in_progress', seconds: 3, afterFraction: 0.5 },
  };
  const lifecycle = { ...slow.lifecycle, cancellingMs: 4_000, perLineMs: 0, inProgressMs: 500 };
  const job = await begin('used', 20, { lifecycle, faults: [expires, lasts] });
  await until(async () => (await batches()).length === 1);
  await copyOf((await batches())[0]!);
  await expectWhole(job, 20);
});

test('lines that only a duplicate has answered are not bought again when the API loses its output', async () => {
  const expires: FaultRule = { on: 'batch', nth: 1, fault: { kind: 'expire', afterFraction: 0.5 } };
  const held: FaultRule = {
    on: 'call',
    call: 'files.retrieve',
    nth: 1,
    fault: { kind: 'hold', when: 'before', ms: 3_000 },
  };
  // The duplicate ends before the job can cancel it.
  const refused: FaultRule = { on: 'call', call: 'batches.cancel', fault: { kind: 'status', status: 409 } };
  const lifecycle = { ...slow.lifecycle, perLineMs: 0, inProgressMs: 700 };
  const job = await begin('lost', 20, { lifecycle, faults: [expires, held, refused] });
  await until(async () => (await batches()).length === 1);
  const duplicate = await copyOf((await batches())[0]!);
  await until(async () => (await statusOf(duplicate.id)) === 'completed');
  await until(async () => {
    const { calls } = await lab.admin<{ calls: Record<string, { count: number }> }>('/emulator/calls');
    return calls['files.retrieve']!.count >= 1;
  });
  await api().files.delete((await api().batches.retrieve(duplicate.id)).output_file_id!);
  expect(await job.report()).toMatchObject({ lines: 20, batches: 1, errors: { answer_unavailable: 10 } });
  const rows: ResultRow[] = [];
  for await (const row of job.results()) rows.push(row);
  expect(rows.filter(({ status }) => status === 'answered')).toHaveLength(10);
  expect(rows.filter(({ error }) => error?.code === 'answer_unavailable')).toHaveLength(10);
  expect(await lab.ledger()).toMatchObject({ batches: 2, paid: 30 });
});

test('a duplicate of a settled shard is cancelled while the job runs, and counted', async () => {
  const lasts: FaultRule = {
    on: 'batch',
    nth: 2,
    fault: { kind: 'stuck', status: 'in_progress', seconds: 6, afterFraction: 0.5 },
  };
  const job = await begin('settled', 40, { ...slow, faults: [lasts] });
  await until(async () => ((await job.status()).progress?.answered ?? 0) === 20);
  const done = (await batches()).find(({ status }) => status === 'completed')!;
  const duplicate = await copyOf(done);
  expect(await expectWhole(job, 40)).toMatchObject({ batches: 1 });
  expect(await statusOf(duplicate.id)).toBe('cancelled');
});

test('a duplicate that ends between polls is found before the report is written', async () => {
  const heldDownload: FaultRule = {
    on: 'call',
    call: 'files.content',
    nth: 1,
    fault: { kind: 'hold', when: 'before', ms: 3_000 },
  };
  const job = await begin('unseen', 20, { faults: [heldDownload] });
  await until(async () => (await batches()).some(({ status }) => status === 'completed'));
  await until(async () => {
    const { calls } = await lab.admin<{ calls: Record<string, { count: number }> }>('/emulator/calls');
    return calls['files.content']!.count >= 1;
  });
  await copyOf((await batches())[0]!);
  expect(await expectWhole(job, 20)).toEqual({
    batches: 1,
    answers: 20,
    input_tokens: expect.any(Number),
    output_tokens: expect.any(Number),
    cost_usd: expect.any(Number),
  });
});

test('a job of the same id in another home is another job: its batches are neither used nor cancelled', async () => {
  const job = await begin('same', 20, slow);
  const other = new CliHarness();
  other.emulator = lab.emulator;
  const input = join(other.folder, 'other.jsonl');
  writeFileSync(
    input,
    Array.from({ length: 20 }, (_, i) => `${lab.request(i + 1, `Other ${i}`)}\n`).join(''),
  );
  try {
    const out = join(other.folder, 'out');
    const ended = await other.run(['run', input, '--job', 'same', '--poll', '0.1', '--out', out]);
    expect(ended).toMatchObject({ code: 0 });
    expect(other.rowsOf(out).map(({ response }) => response!.choices[0]!.message.content)).toEqual(
      Array.from({ length: 20 }, (_, i) => `Other ${i}`),
    );
    expect(await job.report()).toMatchObject({ answered: 20, duplicates: null });
    expect((await batches()).map(({ status }) => status)).toEqual(['completed', 'completed']);
    expect(await lab.ledger()).toMatchObject({ paid: 40, lines_paid_twice_or_more: 0 });
  } finally {
    await other.closeHome();
  }
});
