/** The gauges of jobs that run on a real server. */
import { Client, type Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BatchClient } from '../../src/client/index.ts';
import { firstListing, PROGRESS_MEMO } from '../../src/core/job-listing.ts';
import { freePort } from '../../src/temporal/free-port.ts';
import { connectClient, resolveTemporalTarget } from '../../src/temporal/index.ts';
import { createJobMetrics, installRuntimeWithMetrics } from '../../src/worker/index.ts';
import { readRunningJobs } from '../../src/worker/running-jobs.ts';
import { watchRunningJobs } from '../../src/worker/watch-running-jobs.ts';
import { CliHarness, until } from '../support/cli-harness.ts';
import { readScrape } from '../support/scrape.ts';

const lab = new CliHarness();
let connection: Connection;
let client: Client;

beforeAll(async () => {
  const stuck = { kind: 'stuck', status: 'in_progress' } as const;
  await lab.useEmulator({ faults: [{ on: 'batch', fault: stuck }] });
  const target = await resolveTemporalTarget({ home: lab.home });
  connection = await connectClient(target);
  client = new Client({ connection, namespace: target.namespace });
});
afterAll(async () => {
  await connection.close();
  await lab.close();
});

/** A job without a worker, with the memo that a job writes. */
async function startIdle(workflowId: string, memo: Record<string, unknown>): Promise<void> {
  await client.workflow.start('batchJob', { workflowId, taskQueue: 'nobody', args: [{}], memo });
}

const shown = async (jobs: number): Promise<void> =>
  await until(async () => (await client.workflow.count(`ExecutionStatus = 'Running'`)).count === jobs);

test('a paused job is counted with its reason, its batches and their age', async () => {
  lab.start(['worker']);
  const jobs = await BatchClient.connect({ home: lab.home });
  const options = { input: lab.requests(20), jobId: 'real', shardLines: 10, pollSeconds: 0.1 };
  const job = await jobs.start(options);
  // The memo lists the batches after the next change of state.
  await until(async () => (await job.status()).progress?.batches['in_progress'] === 2);
  await job.pause();
  await jobs.close();
  await until(async () => (await readRunningJobs(client)).pausedBy.asked === 1);
  const gauges = await readRunningJobs(client);
  expect(gauges).toMatchObject({ byState: { paused: 1 }, batchesByStatus: { in_progress: 2 } });
  expect(gauges.oldestBatchSeconds).toBeGreaterThan(0);
});

test('the gauges are the sums of the memos of all running jobs', async () => {
  const memo = (state: string, batches: Record<string, number>, sentBefore: number | null) => ({
    [PROGRESS_MEMO]: {
      ...firstListing,
      state,
      batches,
      oldestSentAt: sentBefore === null ? null : new Date(Date.now() - sentBefore).toISOString(),
    },
  });
  await startIdle('young', memo('running', { in_progress: 3, validating: 1 }, 60_000));
  await startIdle('old', memo('running', { in_progress: 1, finalizing: 2 }, 27 * 3_600_000));
  await startIdle('ending', memo('assembling', {}, null));
  await shown(4);
  const port = await freePort(undefined);
  await installRuntimeWithMetrics('error', { port });
  const url = `http://127.0.0.1:${port}/metrics`;
  using _watching = watchRunningJobs(client, createJobMetrics(), 200);
  await until(async () => (await readScrape(url)).names.has('durable_batch_jobs'));
  const scrape = await readScrape(url);
  const jobs = (state: string): number => scrape.value('durable_batch_jobs', { state });
  expect([jobs('running'), jobs('paused'), jobs('assembling'), jobs('building')]).toEqual([2, 1, 1, 0]);
  const batches = (status: string): number => scrape.value('durable_batch_batches_in_flight', { status });
  expect([batches('in_progress'), batches('validating'), batches('finalizing')]).toEqual([6, 1, 2]);
  expect(scrape.value('durable_batch_paused_jobs', { reason: 'asked' })).toBe(1);
  const age = scrape.value('durable_batch_oldest_batch_in_flight_seconds');
  expect(age / 3_600).toBeCloseTo(27, 1);

  // Ended jobs leave the gauges.
  for (const id of ['young', 'old', 'ending', 'real']) await client.workflow.getHandle(id).terminate();
  await until(
    async () => (await readScrape(url)).value('durable_batch_oldest_batch_in_flight_seconds') === 0,
  );
  expect((await readScrape(url)).sum('durable_batch_batches_in_flight')).toBe(0);
  expect((await readScrape(url)).sum('durable_batch_jobs')).toBe(0);
});

test('a job that cannot be queried is counted as unknown', async () => {
  await startIdle('mute', {});
  await shown(1);
  expect(await readRunningJobs(client, 300)).toMatchObject({
    byState: { unknown: 1 },
    oldestBatchSeconds: 0,
  });
});
