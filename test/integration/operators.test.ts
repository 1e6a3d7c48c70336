/** What the people who run jobs do to them: resets, terminations, other keys, other addresses, full disks. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { BatchClient, type JobHandle } from '../../src/client/index.ts';
import { connectClient, resolveTemporalTarget } from '../../src/temporal/index.ts';
import { CommandLab, slow, until } from '../support/command-lab.ts';

const lab = new CommandLab();
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

/** Starts a job of 40 lines, four batches, some lines of which fail at first, and waits until it is in the middle. */
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

/** What the Web UI's reset does. */
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

test('a terminated job is started again by the same command, and keeps what it bought', async () => {
  const input = lab.requests(40);
  const args = ['run', input, '--out', join(lab.folder, 'terminated'), '--job', 'terminated', ...often];
  const first = lab.start(args);
  await batchesReach(4);
  const connection = await temporal();
  await connection.workflowService.terminateWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId: 'terminated' },
    reason: 'a test',
  });
  await connection.close();
  expect(await first.ended).toMatchObject({ code: 1, err: expect.stringContaining('was terminated') });
  expect(await lab.run(args)).toMatchObject({ code: 0 });
  expect(await lab.ledger()).toMatchObject({ ...once, paid: 40, batches: 4 });
});

test('another API key in the middle: the job pauses, and the same command with the right key ends it', async () => {
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
  await until(async () => (await client.job('key').status()).progress?.state === 'paused');
  expect(await lab.run(['resume', 'key'])).toMatchObject({ code: 0 });
  expect(await second.ended).toMatchObject({ code: 0 });
  expect(await lab.ledger()).toMatchObject({ ...once, paid: 40, batches: 4 });
});

test('another base URL in the middle is refused: the batches live elsewhere', async () => {
  const input = lab.requests(40);
  const args = ['run', input, '--out', join(lab.folder, 'moved'), '--job', 'moved', ...often];
  const first = lab.start(args);
  await batchesReach(4);
  first.child.kill('SIGKILL');
  await first.ended;
  const other = new CommandLab();
  await other.useEmulator(slow);
  const there = { OPENAI_BASE_URL: other.emulator.url };
  try {
    expect(await lab.run(args, there)).toMatchObject({
      code: 2,
      err: expect.stringContaining('live at another API: set OPENAI_BASE_URL as it was'),
    });
    const stranger = lab.start(['worker'], there);
    await until(async () => (await client.job('moved').status()).progress?.state === 'paused');
    expect((await client.job('moved').status()).progress?.reason).toContain('OPENAI_BASE_URL');
    expect(await other.ledger()).toMatchObject({ batches: 0 });
    stranger.child.kill('SIGKILL');
    await stranger.ended;
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
])('%s in the middle is waited out, says what to do, and costs nothing', async (_what, code, words) => {
  const flag = join(lab.folder, `disk-${code}`);
  const preload = join(import.meta.dirname, '../support/failing-disk.mjs');
  writeFileSync(flag, code);
  const job = await startJob(`disk-${code}`, {
    DISK_FAILS_WHILE: flag,
    NODE_OPTIONS: `--import ${preload}`,
  });
  await until(async () => (await job.status()).retries.some(({ reason }) => reason.includes(words)));
  rmSync(flag);
  await batchesReach(4);
  writeFileSync(flag, code);
  await until(async () => (await job.status()).retries.some(({ reason }) => reason.includes(words)));
  rmSync(flag);
  expect(await job.report()).toMatchObject({ answered: 40, batches: 4 });
  expect(await lab.ledger()).toMatchObject({ ...once, paid: 40, batches: 4 });
});
