/** What operators do to jobs: resets, terminations, other keys, other addresses, full disks. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { BatchClient, type JobHandle } from '../../src/client/index.ts';
import { connectClient, resolveTemporalTarget } from '../../src/temporal/index.ts';
import { CliHarness, slow, until, type Ended } from '../support/cli-harness.ts';

const lab = new CliHarness();
const once = { lines_paid_twice_or_more: 0, batches_unread: 0 };
const often = ['--poll', '0.1', '--shard-lines', '10'];

let client: BatchClient;
beforeAll(async () => {
  await lab.useEmulator(slow);
  client = await BatchClient.connect({ home: lab.home });
});
afterEach(async () => {
  lab.killAll();
  await lab.useEmulator(slow);
});
afterAll(async () => {
  await client.close();
  await lab.close();
});

/** Starts a job of 40 lines in four batches, some lines of which fail at first, and waits until it is halfway. */
async function startJob(jobId: string, worker: NodeJS.ProcessEnv = {}): Promise<JobHandle> {
  const job = await client.start({
    input: lab.requests(40),
    jobId,
    shardLines: 10,
    pollSeconds: 0.1,
    model: 'gpt-5-mini',
  });
  lab.start(['worker'], worker);
  return job;
}

const batchesReach = async (count: number): Promise<void> =>
  await until(async () => (await lab.ledger()).batches >= count);

async function temporal(): Promise<Awaited<ReturnType<typeof connectClient>>> {
  return await connectClient(await resolveTemporalTarget({ home: lab.home }));
}

/** Resets the job as the Web UI does. */
async function reset(jobId: string, eventId: number): Promise<void> {
  const connection = await temporal();
  try {
    await connection.workflowService.resetWorkflowExecution({
      namespace: 'default',
      workflowExecution: { workflowId: jobId },
      reason: 'a test',
      requestId: `reset-${jobId}-${eventId}`,
      workflowTaskFinishEventId: { low: eventId, high: 0, unsigned: false } as never,
    });
  } finally {
    await connection.close();
  }
}

async function workflowTasksOf(jobId: string): Promise<number[]> {
  const { events } = await client.history(jobId);
  return (events ?? [])
    .filter(({ workflowTaskCompletedEventAttributes }) => workflowTaskCompletedEventAttributes != null)
    .map(({ eventId }) => Number(eventId));
}

test.each([
  ['the beginning', 0],
  ['while batches were created', 0.3],
  ['the latest point', 1],
])('a reset in the Web UI to %s buys nothing again', async (_where, share) => {
  const jobId = `reset-${share}`;
  const job = await startJob(jobId);
  await batchesReach(4);
  const tasks = await workflowTasksOf(jobId);
  await reset(jobId, tasks[Math.round(share * (tasks.length - 1))]!);
  expect(await job.report()).toMatchObject({ answered: 40, batches: 4 });
  expect(await lab.ledger()).toMatchObject({ ...once, paid: 40, batches: 4 });
});

test('a finished job that is reset ends again with the same report and buys nothing', async () => {
  const job = await startJob('reset-done');
  const report = await job.report();
  const tasks = await workflowTasksOf('reset-done');
  await reset('reset-done', tasks[1]!);
  await until(async () => (await job.status()).status === 'COMPLETED');
  expect(await job.report()).toEqual(report);
  expect(await lab.ledger()).toMatchObject({ ...once, paid: 40, batches: 4 });
});

test('a terminated job is started again by the same command, and keeps the answers it bought', async () => {
  const input = lab.requests(40);
  const args = ['run', input, '--out', join(lab.folder, 'terminated'), '--job', 'terminated', ...often];
  const first = lab.start(args);
  await batchesReach(4);
  await terminate('terminated');
  expect(await first.ended).toMatchObject({ code: 1, err: expect.stringContaining('was terminated') });
  expect(await lab.run(args)).toMatchObject({ code: 0 });
  expect(await lab.ledger()).toMatchObject({ ...once, paid: 40, batches: 4 });
});

async function terminate(jobId: string): Promise<void> {
  const connection = await temporal();
  await connection.workflowService.terminateWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId: jobId },
    reason: 'a test',
  });
  await connection.close();
}

/** Runs a job of 40 lines, a batch of 10 at a time, and terminates it when the first batch is settled and the second one runs. */
async function terminateInTheMiddle(jobId: string): Promise<{ args: string[]; out: string; first: Ended }> {
  const out = join(lab.folder, jobId);
  const args = ['run', lab.requests(40), '--out', out, '--job', jobId, ...often, '--in-flight', '1'];
  const first = lab.start(args);
  await batchesReach(2); // one at a time: the first one is settled by then
  await terminate(jobId);
  return { args, out, first: await first.ended };
}

test('a terminated job returns the rows it has, reports that they are partial, and its results replace them later', async () => {
  const { args, out, first } = await terminateInTheMiddle('partial');
  const partial = join(out, 'results.partial.jsonl');
  expect(first.code).toBe(1);
  expect(first.err).toMatch(
    /was terminated\..* .*results\.partial\.jsonl contains \d+ of 40: the same command/,
  );
  const kept = readFileSync(partial, 'utf8');
  expect(readdirSync(out).sort()).toEqual(['.durable-batch-job', 'results.partial.jsonl']);
  const printed = await lab.run(['results', 'partial']);
  expect([printed.code, printed.out]).toEqual([1, kept]);
  expect(printed.err).toContain('The rows above are 10 of 40');
  expect(await lab.run(['watch', 'partial'])).toMatchObject({
    code: 1,
    err: expect.stringContaining('was terminated'),
  });
  const lines: number[] = [];
  const reading = async (): Promise<void> => {
    for await (const row of client.job('partial').results()) lines.push(row.line);
  };
  await expect(reading()).rejects.toMatchObject({
    code: 'partial_results',
    details: { jobId: 'partial', rows: 10, lines: 40 },
    cause: { code: 'job_failed' },
  });
  expect(lines).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  await expect(client.job('partial').report()).rejects.toMatchObject({ code: 'job_failed' });
  await expect(client.job('partial').pause()).rejects.toMatchObject({
    code: 'job_conflict',
    message: expect.stringContaining('ended without results (terminated): start it again') as string,
  });
  expect(await lab.run(args)).toMatchObject({ code: 0 });
  expect(readdirSync(out).sort()).toEqual(['report.html', 'report.json', 'results.jsonl']);
  expect(readFileSync(join(out, 'results.jsonl'), 'utf8').startsWith(kept)).toBe(true);
  expect(await lab.ledger()).toMatchObject({ ...once, paid: 40, batches: 4 });
});

test('a terminated job can be cancelled: its batch is cancelled at the API and read, and nothing more is sent', async () => {
  const { out } = await terminateInTheMiddle('cancelled-late');
  const asked = await lab.run(['cancel', 'cancelled-late']);
  expect(asked).toMatchObject({ code: 0, out: 'cancel requested for job cancelled-late\n' });
  expect(asked.err).toContain('had ended without results. It is started again as a cancelled job');
  lab.start(['worker']);
  const saved = await lab.run(['results', 'cancelled-late', '--out', out]);
  expect(saved.out).toMatch(/^state +cancelled\nlines +40: \d+ answered, 0 failed, \d+ cancelled\n/);
  expect(readdirSync(out).sort()).toEqual(['report.html', 'report.json', 'results.jsonl']);
  const { answered, cancelled } = await client.job('cancelled-late').report();
  expect([answered >= 10, cancelled >= 20, answered + cancelled]).toEqual([true, true, 40]);
  expect(await lab.ledger()).toMatchObject({ ...once, paid: answered, batches: 2 });
  await expect(client.job('cancelled-late').cancel()).rejects.toMatchObject({
    code: 'job_conflict',
    message: expect.stringContaining('it cannot be changed any more') as string,
  });
  // Every command shows the cancelled state.
  expect((await client.job('cancelled-late').status()).state).toBe('cancelled');
  expect((await lab.run(['status', 'cancelled-late'])).out).toMatch(/status +cancelled\n/);
  const found = JSON.parse((await lab.run(['list', '--state', 'cancelled', '--json'])).out) as object[];
  expect(found).toMatchObject([
    { job_id: 'cancelled-late', status: 'COMPLETED', state: 'cancelled', progress: { state: 'cancelled' } },
  ]);
  expect((await lab.run(['list'])).out).toMatch(/cancelled-late +cancelled +\d+\/40 +0 /);
});

test('a job whose lines all fail has a state of its own', async () => {
  await lab.useEmulator({
    faults: [{ on: 'line', fault: { kind: 'status', status: 400 } }],
  });
  const { code, out } = await lab.run([
    'run',
    lab.requests(3),
    '--out',
    join(lab.folder, 'failed'),
    '--job',
    'failed',
  ]);
  expect(code).toBe(3);
  expect(out).toMatch(/^state +failed\n/);
  expect((await lab.run(['list', '--state', 'failed'])).out).toMatch(/failed +failed +0\/3 +3 /);
  expect((await client.job('failed').status()).state).toBe('failed');
});

test('with another API key a running job pauses, and the same command with the right key ends it', async () => {
  const dataDir = join(lab.folder, 'account');
  await lab.useEmulator({ ...slow, dataDir, apiKey: 'first' });
  const { port } = lab.emulator;
  const input = lab.requests(40);
  const args = ['run', input, '--out', join(lab.folder, 'key'), '--job', 'key', ...often];
  const first = lab.start(args, { OPENAI_API_KEY: 'first' });
  await batchesReach(4);
  await lab.useEmulator({ ...slow, dataDir, apiKey: 'second', port });
  await until(async () => (await client.job('key').status()).progress?.state === 'paused');
  expect((await client.job('key').status()).progress?.reason).toContain('HTTP 401');
  first.child.kill('SIGTERM');
  expect(await first.ended).toMatchObject({ code: 1 });
  expect(await lab.run(args, { OPENAI_API_KEY: 'first' })).toMatchObject({
    code: 2,
    err: expect.stringContaining('refused the API key'),
  });
  const second = lab.start(args, { OPENAI_API_KEY: 'second' });
  // The job probes the account itself, and may have continued or ended before.
  await lab.run(['resume', 'key']);
  expect(await second.ended).toMatchObject({ code: 0 });
  expect(await lab.ledger()).toMatchObject({ ...once, paid: 40, batches: 4 });
});

test('another base URL for a running job is refused: its batches are at the first one', async () => {
  const input = lab.requests(40);
  const args = ['run', input, '--out', join(lab.folder, 'moved'), '--job', 'moved', ...often];
  const first = lab.start(args);
  await batchesReach(4);
  first.child.kill('SIGKILL');
  await first.ended;
  const other = new CliHarness();
  await other.useEmulator(slow);
  const there = { OPENAI_BASE_URL: other.emulator.url };
  try {
    expect(await lab.run(args, there)).toMatchObject({
      code: 2,
      err: expect.stringContaining('are at another API: set OPENAI_BASE_URL as it was'),
    });
    const otherWorker = lab.start(['worker'], there);
    await until(async () => (await client.job('moved').status()).progress?.state === 'paused');
    expect((await client.job('moved').status()).progress?.reason).toContain('OPENAI_BASE_URL');
    expect(await other.ledger()).toMatchObject({ batches: 0 });
    otherWorker.child.kill('SIGKILL');
    await otherWorker.ended;
  } finally {
    await other.close();
  }
  const second = lab.start(args);
  await lab.run(['resume', 'moved']);
  expect(await second.ended).toMatchObject({ code: 0 });
  expect(await lab.ledger()).toMatchObject({ ...once, paid: 40, batches: 4 });
});

test.each([
  ['a full disk', 'ENOSPC', 'the disk is full'],
  ['a read-only store', 'EROFS', 'the file system is read-only'],
])('%s is retried, is reported with what to do, and costs nothing', async (_what, code, hint) => {
  const flag = join(lab.folder, `disk-${code}`);
  const preload = join(import.meta.dirname, '../support/failing-disk.mjs');
  writeFileSync(flag, code);
  const job = await startJob(`disk-${code}`, {
    DISK_FAILS_WHILE: flag,
    NODE_OPTIONS: `--import ${preload}`,
  });
  await until(async () => (await job.status()).retries.some(({ reason }) => reason.includes(hint)));
  rmSync(flag);
  await batchesReach(4);
  writeFileSync(flag, code);
  await until(async () => (await job.status()).retries.some(({ reason }) => reason.includes(hint)));
  rmSync(flag);
  expect(await job.report()).toMatchObject({ answered: 40, batches: 4 });
  expect(await lab.ledger()).toMatchObject({ ...once, paid: 40, batches: 4 });
});

test('a read of an input that never ends blocks neither other jobs nor the shutdown of a worker', async () => {
  const stuck = lab.requests(1);
  const pipe = join(lab.folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const { child, ended } = lab.start(['worker'], {
    STUCK_FOR: basename(stuck),
    STUCK_PIPE: pipe,
    NODE_OPTIONS: `--import ${join(import.meta.dirname, '../support/stuck-disk.mjs')}`,
  });
  await client.start({ input: stuck, jobId: 'stuck' });
  const other = await client.start({ input: lab.requests(3), jobId: 'beside-stuck', pollSeconds: 0.1 });
  await until(() => existsSync(`${pipe}.reached`));
  expect(await other.report()).toMatchObject({ answered: 3 });
  child.kill('SIGTERM');
  expect(await ended).toMatchObject({
    code: null,
    err: expect.stringContaining('a read of a file does not end: killing the process'),
  });
  await client.job('stuck').cancel();
});
