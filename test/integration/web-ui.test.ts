/** What Temporal's Web UI shows of a job, in a real browser. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BatchClient, type JobHandle } from '../../src/client/index.ts';
import { CliHarness, until } from '../support/cli-harness.ts';
import { findBrowser, WebUi } from '../support/web-ui.ts';

const browser = findBrowser();
if (browser === null) {
  console.warn('web-ui.test.ts is skipped: no Chrome or Chromium on PATH, and CHROME_PATH is not set.');
}

describe.skipIf(browser === null)("Temporal's Web UI", () => {
  const lab = new CliHarness();
  let client: BatchClient;
  let ui: WebUi;
  let job: JobHandle;

  beforeAll(async () => {
    await lab.useEmulator({
      // Batches end when the test moves the account's clock.
      lifecycle: { mode: 'timed', validatingMs: 10, inProgressMs: 3_600_000, perLineMs: 0, finalizingMs: 10 },
    });
    client = await BatchClient.connect({ home: lab.home });
    lab.start(['worker']);
    ui = await WebUi.open(browser!, client.target.uiUrl!);
    job = await client.start({
      input: lab.requests(160),
      jobId: 'reviews',
      shardLines: 20,
      inFlight: 4,
      pollSeconds: 1,
      account: 'team-reviews',
    });
  });
  afterAll(async () => {
    await ui?.close();
    await client?.close();
    await lab.close();
  });

  const letBatchesEnd = async (): Promise<void> => {
    const url = new URL('/emulator/clock', lab.emulator.url);
    const body = JSON.stringify({ advanceSeconds: 3_600 });
    const headers = { 'content-type': 'application/json' };
    expect((await fetch(url, { method: 'POST', headers, body })).status).toBe(200);
  };
  const inProgress = async (count: number): Promise<boolean> =>
    (await job.status()).progress?.batches['in_progress'] === count;
  const answered = async (): Promise<number> => (await job.status()).progress?.answered ?? 0;

  test('shows the purpose of each activity and timer', async () => {
    await until(() => inProgress(4));
    await ui.openJob('reviews', 'timeline');
    await ui.shows(/watchBatches • poll \d batch(?:es)? in flight/);
    await ui.oldestFirst();
    await ui.shows(
      'buildShards • read, check and cut input-1.jsonl',
      /uploadInput • upload shard r1-\d{5}, 20 lines/,
      /createBatch • create the batch of shard r1-\d{5}, 20 lines/,
    );
    await ui.picture('web-ui-timeline');
  });

  test('shows what the job is, its progress and what to do', async () => {
    await letBatchesEnd();
    await until(async () => (await answered()) === 80 && (await inProgress(4)));
    await ui.openJob('reviews', 'user-metadata');
    await ui.shows(
      /Batch job of input-1\.jsonl, [\d.]+ kB/,
      /Sends every line of the input to OpenAI.s Batch API/,
      /account\s+team-reviews/,
      'durable-batch results reviews --out DIR',
      /running\s+What to do: nothing/,
      'lines: 160; 80 answered, 0 failed',
      'shards: 4 of 8 done in round 1',
      'in flight 4 in_progress; 8 created in all',
      /cost: 0\.\d+ USD \(0\.\d+ USD without batches\)/,
      /r1-00005\s+in_progress\s+20\s+\d+\s+0\s+\d\d:\d\dZ, \d+ s\s+–\s+–\s+batch_/,
      /r1-0000[1-4]\s+settled\s+20\s+20\s+0\s+.*took \d+ s\s+\d+\s+0\.\d+\s+batch_/,
    );
    await ui.picture('web-ui-job');
  });

  test('finds the job by account, model, batch and status, and a pause changes the status', async () => {
    await ui.openJob('reviews', 'search-attributes');
    await ui.shows(
      '"DurableBatchStatus": "running"',
      '"DurableBatchAccount": "team-reviews"',
      /"DurableBatchModels": \[\s+"gpt-5-mini"\s+\]/,
      /"DurableBatchBatchIds": \[\s+"batch_/,
    );
    const [, batchId] = /"(batch_[^"]+)"/.exec(await ui.text())!;
    await job.pause('reading the first answers');
    await ui.openList(
      `DurableBatchBatchIds = '${batchId}' AND DurableBatchStatus = 'paused' AND DurableBatchAccount = 'team-reviews'`,
    );
    await ui.shows(/reviews\s+[0-9a-f-]{36}\s+batchJob/);
    await ui.picture('web-ui-list');
    await ui.openJob('reviews', 'user-metadata');
    await ui.shows(
      'paused: reading the first answers',
      'What to do: durable-batch resume reviews continues the job.',
    );
    const listed = await lab.run(['list', '--json']);
    expect(JSON.parse(listed.out)).toMatchObject([
      {
        job_id: 'reviews',
        status: 'RUNNING',
        account: 'team-reviews',
        schedule: null,
        models: ['gpt-5-mini'],
        progress: { state: 'paused', lines: 160, failed: 0 },
      },
    ]);
    expect((await lab.run(['list'])).out).toMatch(/reviews +paused +\d+\/160 +0 +\$/);
  });

  test('keeps the totals in the memo when the job is done', async () => {
    await job.resume();
    await until(async () => {
      await letBatchesEnd();
      return await job.isFinished();
    });
    const report = await job.report();
    await ui.openJob('reviews', 'memo');
    await ui.shows('"state": "done"', '"answered": 160', `"costUsd": ${report.cost_usd}`);
    expect((await job.status()).listed).toEqual({
      state: 'done',
      lines: 160,
      answered: 160,
      failed: 0,
      batches: {},
      oldestSentAt: null,
      inputTokens: report.input_tokens,
      outputTokens: report.output_tokens,
      costUsd: report.cost_usd,
    });
    await ui.openJob('reviews', 'user-metadata');
    await ui.shows(/done\s+What to do: fetch the results/);
  });

  test('shows why a job failed: file, line, reason and what to do', async () => {
    await client.start({ input: lab.write('{"custom_id":"a"}\n'), jobId: 'bad', model: 'gpt-5-mini' });
    await ui.openJob('bad', 'timeline');
    await ui.shows(/input-2\.jsonl:1: the line .+: .+\./);
  });
});
