/** Jobs of different sizes that share one worker process. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BatchClient } from '../../src/index.ts';
import { CommandLab, until } from '../support/command-lab.ts';

const lab = new CommandLab();
let client: BatchClient;

/** Uploads of the large job, each of which takes a second and a half; four run at a time. */
const UPLOADS = 60;

beforeAll(async () => {
  await lab.useEmulator({
    lifecycle: { mode: 'timed', validatingMs: 50, inProgressMs: 300, perLineMs: 0, finalizingMs: 50 },
    faults: [
      { on: 'call', call: 'files.create', fault: { kind: 'hold', when: 'before', ms: 1_500 } },
      { on: 'batch', nth: 1, fault: { kind: 'stuck', status: 'in_progress' } },
    ],
  });
  client = await BatchClient.connect({ home: lab.home });
  lab.start(['worker']);
});
afterAll(async () => {
  await client.close();
  await lab.close();
});

async function callsOf(name: string): Promise<number> {
  const { calls } = await lab.admin<{ calls: Record<string, { count: number }> }>('/emulator/calls');
  return calls[name]?.count ?? 0;
}

test('neither a small job nor a cancel waits behind the uploads of a large job', async () => {
  const quick = { pollSeconds: 0.1 };
  const waiting = await client.start({ input: lab.requests(1), ...quick });
  await until(async () => (await waiting.status()).progress?.created === 1);
  const large = await client.start({ input: lab.requests(UPLOADS), shardLines: 1, ...quick });
  await until(async () => (await callsOf('files.create')) > 5);

  const small = await client.start({ input: lab.requests(1), ...quick });
  expect(await small.report()).toMatchObject({ answered: 1 });
  expect(await callsOf('files.create')).toBeLessThan(UPLOADS / 2);

  await waiting.cancel();
  expect(await waiting.report()).toMatchObject({ cancelled: 1 });
  expect(await callsOf('files.create')).toBeLessThan(UPLOADS);

  await large.cancel();
  const { answered, cancelled } = await large.report();
  expect(answered + cancelled).toBe(UPLOADS);
});
