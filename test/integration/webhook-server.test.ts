/** Responses of the webhook server, without jobs. */
import OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { freePort } from '../../src/temporal/free-port.ts';
import { createJobMetrics, installRuntimeWithMetrics } from '../../src/worker/index.ts';
import type { WakeResult } from '../../src/worker/wake-job.ts';
import { startWebhookServer, WEBHOOK_PATH, type WebhookServer } from '../../src/worker/webhook-server.ts';
import { readScrape } from '../support/scrape.ts';
import { signEvent, type SignedCall } from '../support/sign-webhook.ts';

const secret = `whsec_${Buffer.from('the key of this test').toString('base64')}`;
const host = '127.0.0.1';
let server: WebhookServer;
let origin: string;
let metricsUrl: string;
let woken: string[] = [];

beforeAll(async () => {
  const metricsPort = await freePort(undefined);
  metricsUrl = `http://${host}:${metricsPort}/metrics`;
  await installRuntimeWithMetrics('error', { port: metricsPort });
  const port = await freePort(undefined);
  origin = `http://${host}:${port}`;
  server = await startWebhookServer({
    address: { host, port, option: 'webhook' },
    secret,
    api: new OpenAI({ apiKey: 'none', baseURL: 'http://127.0.0.1:1/v1' }),
    metrics: createJobMetrics(),
  });
});
beforeEach(() => {
  woken = [];
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

const post = (call: SignedCall): Promise<Response> =>
  fetch(`${origin}${WEBHOOK_PATH}`, { method: 'POST', ...call });

async function wakeTo(result: WakeResult['result']): Promise<void> {
  server.serve(async (batchId) => {
    woken.push(batchId);
    return { result };
  });
}

const counted = async (result: string): Promise<number> =>
  (await readScrape(metricsUrl)).value('durable_batch_webhook_events_total', { result });

test('until the worker has started, the response is 503', async () => {
  const response = await post(signEvent(secret, 'batch_early'));
  expect(response.status).toBe(503);
  expect(response.headers.get('retry-after')).toBe('5');
  await wakeTo('woken');
  expect((await post(signEvent(secret, 'batch_early'))).status).toBe(200);
  expect(woken).toEqual(['batch_early']);
});

test('a repeated delivery wakes the job once, also while the first is in progress', async () => {
  let go!: () => void;
  const held = new Promise<void>((resolve) => {
    go = resolve;
  });
  server.serve(async (batchId) => {
    woken.push(batchId);
    await held;
    return { result: 'woken' };
  });
  const before = await counted('repeated');
  const both = [post(signEvent(secret, 'batch_twice')), post(signEvent(secret, 'batch_twice'))];
  setTimeout(go, 50);
  expect((await Promise.all(both)).map(({ status }) => status)).toEqual([200, 200]);
  expect((await post(signEvent(secret, 'batch_twice'))).status).toBe(200);
  expect(woken).toEqual(['batch_twice']);
  expect(await counted('repeated')).toBe(before + 2);
});

test('an event that failed is handled when it is sent again', async () => {
  server.serve(() => Promise.reject(new Error('Temporal is away')));
  const refused = await post(signEvent(secret, 'batch_later'));
  expect(refused.status).toBe(503);
  expect(await refused.text()).not.toContain('away');
  await wakeTo('woken');
  expect(await (await post(signEvent(secret, 'batch_later'))).json()).toEqual({ result: 'woken' });
  expect(woken).toEqual(['batch_later']);
});

test.each(['not_ours', 'job_over'] as const)(
  'an event that is %s is accepted, so that it is not sent again',
  async (result) => {
    await wakeTo(result);
    const response = await post(signEvent(secret, `batch_${result}`));
    expect([response.status, await response.json()]).toEqual([200, { result }]);
  },
);

test('an event of another kind is accepted and wakes no job', async () => {
  await wakeTo('woken');
  const response = await post(signEvent(secret, 'resp_1', { type: 'response.completed' }));
  expect([response.status, await response.json()]).toEqual([200, { result: 'other_event' }]);
  expect(woken).toEqual([]);
});

const good = signEvent(secret, 'batch_refused');
test.each<[string, () => Promise<Response>, number, string]>([
  ['a wrong signature', () => post(signEvent('whsec_AAAA', 'batch_1')), 401, 'bad_signature'],
  [
    'a changed body',
    () => post({ ...good, body: good.body.replace('refused', 'other') }),
    401,
    'bad_signature',
  ],
  [
    'an old timestamp',
    () => post(signEvent(secret, 'batch_1', { at: Date.now() / 1_000 - 301 })),
    401,
    'bad_time',
  ],
  [
    'no signature',
    () => post({ ...good, headers: { 'content-type': 'application/json' } }),
    400,
    'bad_request',
  ],
  ['no body', () => post({ ...good, body: '' }), 401, 'bad_signature'],
  ['too large a body', () => post({ ...good, body: 'x'.repeat(70_000) }), 413, 'too_large'],
  ['another path', () => fetch(`${origin}/`, { method: 'POST', ...good }), 404, 'bad_request'],
  ['another method', () => fetch(`${origin}${WEBHOOK_PATH}`), 405, 'bad_request'],
])('%s is refused, counted, and wakes no job', async (_what, call, status, result) => {
  await wakeTo('woken');
  const before = await counted(result);
  const response = await call();
  expect(response.status).toBe(status);
  expect(Object.keys((await response.json()) as object)).toEqual(['error']);
  expect(woken).toEqual([]);
  expect(await counted(result)).toBe(before + 1);
});

test('the body is read as it was sent, whatever its content type', async () => {
  await wakeTo('woken');
  const call = signEvent(secret, 'batch_text', { id: 'wh_text' });
  expect((await post({ ...call, headers: { ...call.headers, 'content-type': 'text/plain' } })).status).toBe(
    200,
  );
  expect(woken).toEqual(['batch_text']);
});

test('the error of a port in use names the option', async () => {
  const port = Number(new URL(origin).port);
  const again = startWebhookServer({
    address: { host, port, option: 'webhook' },
    secret,
    api: new OpenAI({ apiKey: 'none' }),
    metrics: createJobMetrics(),
  });
  await expect(again).rejects.toThrow(`Port ${port} of 127.0.0.1 is in use: choose another --webhook-port`);
});
