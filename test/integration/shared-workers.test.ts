/** Jobs of different sizes that share a worker, and workers with different homes and APIs that share a queue. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@temporalio/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BatchClient } from '../../src/index.ts';
import { connectClient } from '../../src/temporal/index.ts';
import { CliHarness, until } from '../support/cli-harness.ts';

const lab = new CliHarness();
let client: BatchClient;

/** Uploads of the large job, each of which takes a second and a half; four run at a time. */
const UPLOADS = 120;

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

test('neither a small job nor a cancel waits for the uploads of a large job', async () => {
  const quick = { pollSeconds: 0.1 };
  const waiting = await client.start({ input: lab.requests(1), ...quick });
  await until(async () => (await waiting.status()).progress?.created === 1);
  const large = await client.start({ input: lab.requests(UPLOADS), shardLines: 1, ...quick });
  await until(async () => (await callsOf('files.create')) > 5);

  const small = await client.start({ input: lab.requests(1), ...quick });
  expect(await small.report()).toMatchObject({ answered: 1 });
  // It would wait for all of them; a busy machine needs more time for its own steps.
  expect(await callsOf('files.create')).toBeLessThan(UPLOADS);

  await waiting.cancel();
  expect(await waiting.report()).toMatchObject({ cancelled: 1 });
  expect(await callsOf('files.create')).toBeLessThan(UPLOADS);

  await large.cancel();
  const { answered, cancelled } = await large.report();
  expect(answered + cancelled).toBe(UPLOADS);
});

test('a worker of the same queue with another API or home does no work for a job', async () => {
  await using other = new OtherWorkers();
  await other.begin();
  const out = join(lab.folder, 'here');
  const run = ['run', lab.requests(40), '--out', out, '--shard-lines', '10', '--poll', '0.1'];
  expect(await lab.run(run)).toMatchObject({ code: 0 });
  expect(lab.rowsOf(out)).toHaveLength(40);
  expect(await other.lab.ledger()).toMatchObject({ batches: 0 });
  expect(existsSync(join(other.home, 'store/jobs'))).toBe(false);
});

test('a cancel that only a worker at another API receives is carried out once the right worker starts', async () => {
  await using alone = new CliHarness();
  await alone.useEmulator({ faults: [{ on: 'batch', fault: { kind: 'stuck', status: 'in_progress' } }] });
  await using here = await BatchClient.connect({ home: alone.home });
  const right = alone.start(['worker']);
  const job = await here.start({ input: alone.requests(1), pollSeconds: 0.1 });
  await until(async () => (await job.status()).progress?.created === 1);
  right.child.kill('SIGKILL');
  await right.ended;
  await using other = new CliHarness();
  await other.useEmulator();
  const wrong = alone.start(['worker'], { OPENAI_BASE_URL: other.emulator.url });
  await job.cancel();
  // Its reason is shown, and the wrong API got no call.
  await until(async () => (await job.status()).progress?.reason?.includes('OPENAI_BASE_URL') === true);
  wrong.child.kill('SIGKILL');
  await wrong.ended;
  const { calls } = await other.admin<{ calls: Record<string, { count: number }> }>('/emulator/calls');
  expect(calls['batches.cancel']).toMatchObject({ count: 0 });
  alone.start(['worker']);
  expect(await job.report()).toMatchObject({ cancelled: 1 });
});

test('a job that is cancelled stays cancelled when its workflow is terminated and it is started again', async () => {
  await using alone = new CliHarness();
  await alone.useEmulator({ faults: [{ on: 'batch', fault: { kind: 'stuck', status: 'in_progress' } }] });
  await using here = await BatchClient.connect({ home: alone.home });
  alone.start(['worker']);
  const options = { input: alone.requests(20), shardLines: 1, inFlight: 4, pollSeconds: 0.1 };
  const job = await here.start(options);
  await until(async () => (await job.status()).progress?.created === 4);
  // As an operator would at the server: this client does not know about it.
  const connection = await connectClient(here.target);
  const workflow = new Client({ connection }).workflow.getHandle(job.id);
  await workflow.cancel();
  await until(async () => (await job.status()).progress?.state === 'cancelling');
  await until(() => existsSync(join(alone.home, 'store/jobs', job.id, 'cancelled.json')));
  await workflow.terminate();
  await connection.close();
  await here.start(options);
  expect(await job.report()).toMatchObject({ answered: 0, cancelled: 20 });
  expect(await alone.ledger()).toMatchObject({ batches: 4 });
});

/** Two workers on the queue of the lab's jobs: one at another API, one with another home. */
class OtherWorkers implements AsyncDisposable {
  readonly lab = new CliHarness();
  readonly home = join(this.lab.folder, 'other-home');

  async begin(): Promise<void> {
    await this.lab.useEmulator();
    const { address } = client.target.connection;
    const queue = { TEMPORAL_ADDRESS: address };
    const workers = [
      this.lab.start(['worker'], { ...queue, DURABLE_BATCH_HOME: lab.home }),
      this.lab.start(['worker'], {
        ...queue,
        OPENAI_BASE_URL: lab.emulator.url,
        DURABLE_BATCH_HOME: this.home,
      }),
    ];
    const isUpChecks = workers.map(({ child }) => {
      let text = '';
      child.stderr!.on('data', (chunk) => (text += String(chunk)));
      return () => text.includes('Worker on queue');
    });
    await until(() => isUpChecks.every((isUp) => isUp()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab.close();
  }
}
