/** The examples for applications that already use Temporal, run as their READMEs describe, and a worker with a codec and interceptors. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import type { Payload, PayloadCodec } from '@temporalio/common';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BatchClient } from '../../src/index.ts';
import { ensureEmbeddedServer } from '../../src/temporal/index.ts';
import { hostActivities, jobWorkflowBundle, workerTuning } from '../../src/worker/index.ts';
import { CliHarness, slow, until } from '../support/cli-harness.ts';
import { snippetsOf, writeSnippets } from '../support/snippets.ts';

const root = resolve(import.meta.dirname, '../..');
const tsx = import.meta.resolve('tsx');
const lab = new CliHarness();
const children = new Set<ChildProcess>();
let address: string;
/** Workers, started together: each takes seconds to bundle its workflows. */
let ours: ReturnType<CliHarness['start']>;
let own: Example;
let theirs: Example;

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('WARN') });
  await lab.useEmulator(slow);
  address = (await ensureEmbeddedServer({ home: lab.home })).address;
  ours = lab.start(['worker'], { TEMPORAL_ADDRESS: address });
  own = example('own-worker/worker.ts');
  theirs = example('child-workflow/worker.ts');
  await until(() => own.output().includes('Worker on') && theirs.output().includes('Worker on'));
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await lab.close();
});

interface Example {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<number>;
}

/** Runs a program of the examples with its types stripped, as `npx tsx` does. */
function example(path: string, ...args: string[]): Example {
  const program = resolve(root, 'examples', path);
  const child = spawn(process.execPath, ['--import', tsx, program, ...args], {
    cwd: dirname(program),
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      TEMPORAL_ADDRESS: address,
      OPENAI_API_KEY: 'test',
      OPENAI_BASE_URL: lab.emulator.url,
      DURABLE_BATCH_HOME: lab.home,
      DURABLE_BATCH_PATIENCE: '0.01',
    },
  });
  children.add(child);
  let output = '';
  child.stdout.on('data', (chunk) => (output += String(chunk)));
  child.stderr.on('data', (chunk) => (output += String(chunk)));
  return { child, output: () => output, ended: once(child, 'close').then(([code]) => code as number) };
}

test('a worker of an application runs our workflows and activities beside its own', async () => {
  const start = example('own-worker/start.ts', lab.requests(2));
  expect(await start.ended, start.output()).toBe(0);
  expect(start.output()).toMatch(/^id 1: .+\nid 2: .+\nHello, worker!\n$/);
});

test('batchJob runs as a child of a workflow, is found by its id, and is not paid twice', async () => {
  const file = lab.write('Great kettle.\nBroke after a day.\n\nDoes what it says.\n');
  const { paid } = await lab.ledger();
  for (const _time of [1, 2]) {
    const start = example('child-workflow/start.ts', file);
    expect(await start.ended, start.output()).toBe(0);
    expect(start.output()).toMatch(/^3 reviews, [1-5]\.\d stars on average\n$/);
    expect((await lab.ledger()).paid - paid).toBe(3);
  }
});

test.each(['cancelled', 'terminated'] as const)(
  'the child of a parent that is %s keeps what was paid and ends with a report',
  async (how) => {
    const file = lab.write(Array.from({ length: 20 }, (_, i) => `Review ${i} of ${how}.\n`).join(''));
    const connection = await Connection.connect({ address });
    const temporal = new Client({ connection });
    const client = BatchClient.fromClient(temporal, { home: lab.home });
    const { batches, paid } = await lab.ledger();
    const startedAfter = new Date();
    const parent = await temporal.workflow.start('rateReviews', {
      args: [file],
      taskQueue: 'reviews',
      workflowId: `parent-${how}`,
    });
    await until(async () => (await lab.ledger()).batches > batches);
    if (how === 'cancelled') await parent.cancel();
    else await parent.terminate();
    await expect(parent.result()).rejects.toThrow(
      how === 'cancelled' ? 'Workflow execution cancelled' : 'terminated',
    );
    let jobId = '';
    await until(async () => {
      for await (const job of client.list({ startedAfter })) ({ jobId } = job);
      return jobId !== '';
    });
    // A cancelled parent has waited for its child; a terminated one has not.
    if (how === 'cancelled') expect(await client.job(jobId).isFinished()).toBe(true);
    const report = await client.job(jobId).report();
    expect(report).toMatchObject({ answered: (await lab.ledger()).paid - paid, failed: 0 });
    expect(report.answered + report.cancelled).toBe(20);
    await connection.close();
  },
);

test('the programs of docs/client.md run one after another, and each job is paid once', async () => {
  const folder = join(lab.folder, 'snippets');
  mkdirSync(folder);
  const paths = writeSnippets(
    folder,
    snippetsOf('docs/client.md').filter(({ isProgram }) => isProgram),
  );
  const answers = ['{"stars":4,"topics":["lid","cord"]}', 'four stars'];
  const requests = answers.map((text, i) =>
    JSON.stringify({ custom_id: `review ${i + 1}`, body: { messages: [{ role: 'user', content: text }] } }),
  );
  writeFileSync(join(folder, 'requests.jsonl'), `${requests.join('\n')}\n`);
  const all = join(folder, 'all.ts');
  writeFileSync(all, paths.map((path) => `await import(${JSON.stringify(path)});\n`).join(''));
  const { paid } = await lab.ledger();
  const programs = example(all);
  expect(await programs.ended, programs.output()).toBe(0);
  expect(programs.output()).toMatch(/^started requests-/);
  expect(programs.output()).toContain('2 answered, 0 failed\n');
  expect(programs.output()).toContain('review 1 4 2\nreview 2 answered The answer is not JSON.\n');
  expect(programs.output()).toContain('2 answered within a minute\n');
  expect(programs.output()).toMatch(/requests-[0-9a-f]+ COMPLETED 20/);
  expect(programs.output()).toContain('No job has the id no-such-job');
  // The lines of that job, and the two rows of the page.
  expect((await lab.ledger()).paid - paid).toBe(4);
});

/** Encrypts every payload with AES-GCM, as an application may do. */
class EncryptingCodec implements PayloadCodec {
  private readonly key = randomBytes(32);

  async encode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map(({ metadata, data }) => {
      const iv = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', this.key, iv);
      const plain = JSON.stringify({ data: toBase64(data), encoding: toBase64(metadata?.['encoding']) });
      const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
      return {
        metadata: { encoding: Buffer.from('binary/encrypted') },
        data: Buffer.concat([iv, cipher.getAuthTag(), sealed]),
      };
    });
  }

  async decode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map((payload) => {
      if (Buffer.from(payload.metadata?.['encoding'] ?? []).toString() !== 'binary/encrypted') return payload;
      const bytes = Buffer.from(payload.data!);
      const cipher = createDecipheriv('aes-256-gcm', this.key, bytes.subarray(0, 12));
      cipher.setAuthTag(bytes.subarray(12, 28));
      const plain = Buffer.concat([cipher.update(bytes.subarray(28)), cipher.final()]).toString();
      const { data, encoding } = JSON.parse(plain) as { data: string; encoding: string };
      return { metadata: { encoding: Buffer.from(encoding, 'base64') }, data: Buffer.from(data, 'base64') };
    });
  }
}

function toBase64(bytes: Uint8Array | null | undefined): string {
  return Buffer.from(bytes ?? []).toString('base64');
}

test('a worker with an encrypting codec and interceptors of its own runs jobs, and their histories hold no plain text', async () => {
  const dataConverter = { payloadCodecs: [new EncryptingCodec()] };
  const activityTypes = new Set<string>();
  const native = await NativeConnection.connect({ address });
  const api = new (await import('openai')).default({
    apiKey: 'test',
    baseURL: lab.emulator.url,
    maxRetries: 0,
  });
  await using host = await hostActivities({ home: lab.home, api, threads: 1, patience: 0.01 });
  const worker = await Worker.create({
    ...workerTuning,
    connection: native,
    taskQueue: 'encrypted',
    workflowBundle: jobWorkflowBundle(),
    activities: { ...host.activities },
    dataConverter,
    interceptors: {
      activity: [
        ({ info }) => ({
          inbound: {
            execute: async (input, next) => {
              activityTypes.add(info.activityType);
              return await next(input);
            },
          },
        }),
      ],
    },
  });
  const connection = await Connection.connect({ address });
  const input = lab.requests(3);
  await worker.runUntil(async () => {
    const temporal = new Client({ connection, dataConverter });
    await using client = BatchClient.fromClient(temporal, { home: lab.home, taskQueue: 'encrypted' });
    const job = await client.start({ input, jobId: 'encrypted', pollSeconds: 0.1 });
    const states = [];
    for await (const { state } of job.watch({ intervalMs: 100 })) states.push(state);
    expect(states.at(-1)).toBe('done');
    expect((await job.report()).answered).toBe(3);
    // The memo, which is encrypted too, identifies the job.
    expect((await client.start({ input, jobId: 'encrypted', pollSeconds: 0.1 })).id).toBe('encrypted');
    const history = JSON.stringify(await client.history('encrypted'));
    expect(history).toContain(Buffer.from('binary/encrypted').toString('base64'));
    for (const name of ['input-', 'sha256', 'batch_']) {
      expect(history).not.toContain(Buffer.from(name).toString('base64').slice(0, -4));
    }
  });
  expect([...activityTypes]).toEqual(expect.arrayContaining(['buildShards', 'createBatch', 'fetchResults']));
  await connection.close();
  await native.close();
});

test('workers of applications and ours stop on SIGTERM', async () => {
  for (const { child, ended } of [ours, own, theirs]) {
    child.kill('SIGTERM');
    expect(await ended).toSatisfy((end: unknown) => end === 0 || (end as { code: number }).code === 0);
  }
});
