import { createHmac } from 'node:crypto';
import OpenAI from 'openai';
import { expect, test } from 'vitest';
import { readWebhookEvent } from '../../../src/openai/webhook-event.ts';

const secret = `whsec_${Buffer.from('a key of some length').toString('base64')}`;
const api = new OpenAI({ apiKey: 'none', baseURL: 'http://127.0.0.1:1/v1' });
const ended =
  '{"id":"evt_1","object":"event","created_at":1,"type":"batch.completed","data":{"id":"batch_1"}}';

interface Call {
  body?: string;
  id?: string;
  at?: number;
  key?: string;
  headers?: Record<string, string | undefined>;
}

/** Signs an event as in Standard Webhooks, without the emulator's code, and reads it. */
async function read({
  body = ended,
  id = 'wh_1',
  at = Date.now() / 1_000,
  key = secret,
  headers = {},
}: Call) {
  const time = String(Math.floor(at));
  const bytes = Buffer.from(key.replace('whsec_', ''), 'base64');
  const signature = createHmac('sha256', bytes).update(`${id}.${time}.${body}`).digest('base64');
  const all: Record<string, string | undefined> = {
    'webhook-id': id,
    'webhook-timestamp': time,
    'webhook-signature': `v1,${signature}`,
    ...headers,
  };
  return await readWebhookEvent(api, secret, body, (name) => all[name]);
}

test('a signed event has the batch id', async () => {
  expect(await read({})).toEqual({ deliveryId: 'wh_1', type: 'batch.completed', batchId: 'batch_1' });
});

test.each(['failed', 'expired', 'cancelled'])('batch.%s is also an end of a batch', async (end) => {
  expect(await read({ body: ended.replace('completed', end) })).toMatchObject({ batchId: 'batch_1' });
});

test('events of other types have no batch id', async () => {
  const other = ended.replace('batch.completed', 'response.completed');
  expect(await read({ body: other })).toEqual({
    deliveryId: 'wh_1',
    type: 'response.completed',
    batchId: null,
  });
});

test('one of several signatures is enough, as while a secret is replaced', async () => {
  const time = String(Math.floor(Date.now() / 1_000));
  const bytes = Buffer.from(secret.replace('whsec_', ''), 'base64');
  const good = createHmac('sha256', bytes).update(`wh_1.${time}.${ended}`).digest('base64');
  const headers = { 'webhook-timestamp': time, 'webhook-signature': `v1,AAAA v1,${good}` };
  expect(await read({ headers })).toMatchObject({ batchId: 'batch_1' });
});

test.each<[string, Call, string, number]>([
  [
    'signed with another key',
    { key: `whsec_${Buffer.from('other').toString('base64')}` },
    'bad_signature',
    401,
  ],
  ['whose id was changed', { headers: { 'webhook-id': 'wh_2' } }, 'bad_signature', 401],
  ['with an invalid signature', { headers: { 'webhook-signature': '???' } }, 'bad_signature', 401],
  ['signed six minutes ago', { at: Date.now() / 1_000 - 360 }, 'bad_time', 401],
  ['signed in six minutes', { at: Date.now() / 1_000 + 360 }, 'bad_time', 401],
  ['with an invalid time', { headers: { 'webhook-timestamp': 'soon' } }, 'bad_time', 401],
  ['without a signature', { headers: { 'webhook-signature': undefined } }, 'bad_request', 400],
  ['without an id', { headers: { 'webhook-id': '' } }, 'bad_request', 400],
  ['without a time', { headers: { 'webhook-timestamp': undefined } }, 'bad_request', 400],
  ['that is not JSON', { body: '{"type":' }, 'malformed', 400],
  ['without a type', { body: '{}' }, 'malformed', 400],
  ['that is null', { body: 'null' }, 'malformed', 400],
  ['without a batch id', { body: '{"type":"batch.completed","data":{}}' }, 'malformed', 400],
  ['whose batch is a path', { body: '{"type":"batch.failed","data":{"id":"../x"}}' }, 'malformed', 400],
])('an event %s is refused', async (_what, call, refused, status) => {
  expect(await read(call)).toMatchObject({ refused, status });
});
