/** Jobs whose own polls are an hour apart: the emulator's events end them. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FaultRule } from 'openai-batch-emulator';
import { freePort } from '../../src/temporal/free-port.ts';
import { CliHarness, until, type Ended } from '../support/cli-harness.ts';
import { readScrape } from '../support/scrape.ts';
import { signEvent } from '../support/sign-webhook.ts';

const lab = new CliHarness();
const secret = `whsec_${randomBytes(24).toString('base64')}`;
const once = { lines_paid_twice_or_more: 0, batches_unread: 0 };
/** The emulator sends a failed event again after 250 ms, 1.5 s, 6 s. */
const SPEED = 20;
let webhookPort: number;
let metricsPort: number;
let worker: ReturnType<CliHarness['start']>;
let logs = '';

/** Resets the account to no batches; its next ones have these faults. */
async function begin(faults: FaultRule[] = []): Promise<void> {
  const post = (route: string, body: unknown): Promise<Response> =>
    fetch(lab.emulator.adminUrl + route, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  await post('/reset', {});
  await post('/faults', faults);
}

async function startWorker(): Promise<void> {
  worker = lab.start(
    ['worker', '--webhook-port', String(webhookPort), '--metrics-port', String(metricsPort)],
    {
      OPENAI_WEBHOOK_SECRET: secret,
    },
  );
  let output = '';
  worker.child.stderr!.on('data', (chunk) => {
    output += String(chunk);
    logs += String(chunk);
  });
  await until(() => output.includes('Worker on queue'));
}

async function runJob(job: string, ...more: string[]): Promise<Ended> {
  const out = join(lab.folder, job);
  const args = ['run', lab.requests(40), '--out', out, '--no-worker', '--job', job, '--shard-lines', '10'];
  return await lab.run([...args, '--poll', '3600', ...more]);
}

const events = async (result: string): Promise<number> =>
  (await readScrape(`http://127.0.0.1:${metricsPort}/metrics`)).value('durable_batch_webhook_events_total', {
    result,
  });

beforeAll(async () => {
  webhookPort = await freePort(undefined);
  metricsPort = await freePort(undefined);
  await lab.useEmulator({
    webhookUrl: `http://127.0.0.1:${webhookPort}/webhooks/openai`,
    webhookSecret: secret,
    speed: SPEED,
    lifecycle: {
      mode: 'timed',
      validatingMs: 50 * SPEED,
      inProgressMs: 800 * SPEED,
      perLineMs: 0,
      finalizingMs: 20 * SPEED,
    },
  });
  await startWorker();
});
afterAll(async () => {
  await lab.close();
});

test('a job ends by events alone, whether they arrive once, three times, late, or before the list shows the end', async () => {
  await begin([
    { on: 'batch', nth: 1, fault: { kind: 'webhook', copies: 3 } },
    { on: 'batch', nth: 2, fault: { kind: 'webhook', afterSeconds: 0.3 } },
    { on: 'batch', nth: 3, fault: { kind: 'end_unseen', seconds: 0.6 } },
  ]);
  const before = await events('repeated');
  // The last event arrives 0.3 s after the end, and the list shows the end after 0.6 s: the worker has to wake the job again.
  const { code, err } = await runJob('by-events');
  expect(code, err).toBe(0);
  expect(await lab.ledger()).toMatchObject({ ...once, paid: 40, batches: 4 });
  expect(await events('repeated')).toBe(before + 2);
  expect(logs).toMatch(
    /"event":"webhook_received","type":"batch.completed","batchId":"batch_\w+","result":"woken","job":"by-events"/,
  );
});

test('a job whose events are lost ends by its polls', async () => {
  await begin([{ on: 'batch', fault: { kind: 'webhook', lost: true } }]);
  const { code, err } = await runJob('by-polls', '--poll', '0.3');
  expect(code, err).toBe(0);
  const deliveries = await lab.admin<{ state: string }[]>('/emulator/webhooks');
  expect(deliveries.map(({ state }) => state)).toEqual(['lost', 'lost', 'lost', 'lost']);
});

test('events of batches that are not ours are accepted and wake no job', async () => {
  await begin();
  const before = await events('not_ours');
  const client = new OpenAI({ apiKey: 'test', baseURL: lab.emulator.url, maxRetries: 0 });
  const line = JSON.stringify({
    custom_id: '1',
    method: 'POST',
    url: '/v1/chat/completions',
    body: { model: 'gpt-5-mini', messages: [] },
  });
  const file = await client.files.create({ file: new File([`${line}\n`], 'in.jsonl'), purpose: 'batch' });
  const create = (metadata: Record<string, string>): Promise<unknown> =>
    client.batches.create({
      input_file_id: file.id,
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
      metadata,
    });
  await create({});
  // A batch of another home, for a job id in our store; and a job id with a path out of the store.
  const shard = { durable_batch_shard: 'by-events/r1-00001/1', durable_batch_store: 'another' };
  await create({ ...shard, durable_batch_job: 'by-events' });
  await create({ ...shard, durable_batch_job: '../../by-events' });
  const unknown = await fetch(`http://127.0.0.1:${webhookPort}/webhooks/openai`, {
    method: 'POST',
    ...signEvent(secret, 'batch_of_nobody'),
  });
  expect([unknown.status, await unknown.json()]).toEqual([200, { result: 'not_ours' }]);
  await until(async () => (await events('not_ours')) === before + 4);
});

test('an event sent while no worker runs is sent again, and then wakes the job', async () => {
  await begin();
  const ended = runJob('restarted');
  await until(async () => (await lab.ledger()).batches === 4);
  await until(() => logs.split('"event":"batch_created","job":"restarted"').length === 5);
  worker.child.kill('SIGKILL');
  await worker.ended;
  await until(async () => {
    const deliveries = await lab.admin<{ attempts: number }[]>('/emulator/webhooks');
    return deliveries.length === 4 && deliveries.every(({ attempts }) => attempts > 0);
  });
  await startWorker();
  const { code, err } = await ended;
  expect(code, err).toBe(0);
  expect(await lab.ledger()).toMatchObject({ ...once, paid: 40, batches: 4 });
});

test('a worker that receives events needs their secret, and its logs contain neither secret nor prompt', async () => {
  const ended = await lab.run(['worker', '--webhook-port', String(webhookPort)]);
  expect(ended.code).toBe(2);
  expect(ended.err).toMatch(/^durable-batch: Option --webhook-port needs OPENAI_WEBHOOK_SECRET: set it to/);
  expect(logs).not.toContain(secret);
  expect(logs).not.toMatch(/Prompt \d+ of file/);
});
