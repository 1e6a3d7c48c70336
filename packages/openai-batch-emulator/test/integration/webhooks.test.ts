/** The events that the emulator sends, read by the SDK as an application would. */
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startEmulator, type EmulatorOptions } from 'openai-batch-emulator';
import {
  admin,
  chatLines,
  clientOf,
  startForTest,
  submit,
  untilBatch,
} from '../support/emulator-under-test.ts';
import { freshFolder } from '../support/fresh-folder.ts';

const secret = `whsec_${Buffer.from('the emulator signs with this').toString('base64')}`;

interface Received {
  readonly id: string;
  readonly type: string;
  readonly batchId: string;
}

/** The events that a receiver got, and its next responses. */
let received: Received[];
let responses: number[];
let server: Server;
let url: string;

beforeEach(async () => {
  received = [];
  responses = [];
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      void clientOf('http://127.0.0.1:1/v1')
        .webhooks.unwrap(
          Buffer.concat(chunks).toString('utf8'),
          request.headers as Record<string, string>,
          secret,
        )
        .then(({ type, data }) =>
          received.push({
            id: String(request.headers['webhook-id']),
            type,
            batchId: (data as { id: string }).id,
          }),
        )
        .finally(() => response.writeHead(responses.shift() ?? 200).end());
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as { port: number }).port}/hook`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

/** Waits for a condition; the deadline passes only if something is broken. */
const until = (condition: () => unknown): Promise<unknown> => vi.waitUntil(condition, { timeout: 60_000 });

const options = (more: EmulatorOptions = {}): EmulatorOptions => ({
  webhookUrl: url,
  webhookSecret: secret,
  speed: 100,
  ...more,
});

test('an event is sent once, signed, for each batch that ends, and for no other change', async () => {
  const { client } = await startForTest(
    options({
      faults: [
        { on: 'batch', nth: 2, fault: { kind: 'fail', errors: [] } },
        { on: 'batch', nth: 3, fault: { kind: 'expire', afterFraction: 0.5 } },
        { on: 'batch', nth: 4, fault: { kind: 'cancel', afterFraction: 0.5 } },
      ],
    }),
  );
  const ids: string[] = [];
  for (let i = 0; i < 4; i += 1) ids.push((await submit(client, chatLines(4))).id);
  await until(() => received.length === 4);
  const typeOf = (id: string): string => received.find(({ batchId }) => batchId === id)!.type;
  expect(ids.map(typeOf)).toEqual(['batch.completed', 'batch.failed', 'batch.expired', 'batch.cancelled']);
  expect(new Set(received.map(({ id }) => id)).size).toBe(4);
});

test('an event that is not accepted is sent again with the same id', async () => {
  const { client, emulator } = await startForTest(options());
  responses = [500, 404];
  const { id } = await submit(client, chatLines(2));
  await until(() => received.length === 3);
  expect(new Set(received.map((event) => event.id)).size).toBe(1);
  await until(async () => {
    const [delivery] = (await admin(emulator, 'GET', '/webhooks')) as { state: string }[];
    return delivery!.state === 'delivered';
  });
  expect(await admin(emulator, 'GET', '/webhooks')).toMatchObject([
    { batchId: id, attempts: 3, lastStatus: 200, state: 'delivered' },
  ]);
});

test('an event that is never accepted is given up', async () => {
  const { client, emulator } = await startForTest(options({ speed: 5_000_000 }));
  responses = Array.from({ length: 1_000 }, () => 503);
  await submit(client, chatLines(2));
  await until(async () => {
    const [delivery] = (await admin(emulator, 'GET', '/webhooks')) as { state: string }[];
    return delivery?.state === 'given_up';
  });
});

test('faults lose, repeat and delay events, and hide the end of the batch', async () => {
  const { client } = await startForTest(
    options({
      faults: [
        { on: 'batch', nth: 1, fault: { kind: 'webhook', lost: true } },
        { on: 'batch', nth: 2, fault: { kind: 'webhook', afterSeconds: 4 } },
        { on: 'batch', nth: 3, fault: { kind: 'webhook', copies: 3 } },
        { on: 'batch', nth: 4, fault: { kind: 'end_unseen', seconds: 1_000 } },
      ],
    }),
  );
  const ids: string[] = [];
  for (let i = 0; i < 4; i += 1) ids.push((await submit(client, chatLines(2))).id);
  await until(() => received.length === 5);
  const [, late, thrice, unseen] = ids as [string, string, string, string];
  const batches = received.map(({ batchId }) => batchId);
  expect(batches.toSorted()).toEqual([late, thrice, thrice, thrice, unseen].toSorted());
  expect(batches.at(-1)).toBe(late);
  expect(await client.batches.retrieve(unseen)).toMatchObject({
    status: 'finalizing',
    output_file_id: null,
    completed_at: null,
  });
});

test('an event survives a restart of the emulator', async () => {
  const dataDir = freshFolder();
  responses = [503];
  const before = await startEmulator(options({ dataDir, speed: 10 }));
  const client = clientOf(before.url);
  const { id } = await submit(client, chatLines(2));
  await untilBatch(client, id, ({ status }) => status === 'completed');
  await until(() => received.length === 1);
  await before.close();
  const after = await startEmulator(options({ dataDir, speed: 10 }));
  await until(() => received.length === 2);
  await after.close();
  expect(received[1]).toEqual(received[0]);
  expect(received[0]!.batchId).toBe(id);
});
