/** The reports of a settled shard: one to the observer, and one to the workflow from each attempt. */
import { MockActivityEnvironment } from '@temporalio/testing';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { BatchApi } from '../../../src/openai/batch-api.ts';
import { createActivities } from '../../../src/activities/index.ts';
import type { EndedRecord } from '../../../src/activities/batches/ended-record.ts';
import type { ShardCounts } from '../../../src/activities/batches/shard-counts.ts';
import { fetchResults, type FetchRequest } from '../../../src/activities/fetch-results.ts';
import type { JobObserver } from '../../../src/activities/step/job-observer.ts';
import { shardId } from '../../../src/core/shard-plan.ts';
import { ByteCounter } from '../../../src/file-work/byte-counter.ts';
import { FileWork } from '../../../src/file-work/file-work.ts';
import { FolderStore } from '../../../src/store/folder-store.ts';
import { jobFiles, shardFiles } from '../../../src/store/job-files.ts';
import type { Store } from '../../../src/store/store.ts';
import { JOB, outputRow, plan, requestLine, specFor } from '../../support/file-job.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { TempFolder } from '../../support/temp-folder.ts';

const shard = shardId(1, 0);
const request: FetchRequest = { job: JOB, shard, batch: 1, attempts: 3, rebuy: false };

/** An ended batch whose files are in the store, so that the API gets no call. */
const ended = {
  batchId: 'batch_1',
  status: 'completed',
  outputFileId: 'file-out',
  errorFileId: null,
  completed: 1,
  ran: true,
  errors: [],
} as unknown as EndedRecord;

const opened: FileWork[] = [];
afterAll(async () => {
  for (const files of opened) await files.close();
});

function fileWorkOn(store: Store): FileWork {
  const files = new FileWork({ store, threads: 1 });
  opened.push(files);
  return files;
}

test('the price of a settled shard is the same for observer and workflow, and its manifest is read once', async () => {
  using folder = new TempFolder();
  plan(folder.path, `${requestLine('a')}\n`);
  const put = (key: string, text: string): void => {
    mkdirSync(dirname(folder.at(key)), { recursive: true });
    writeFileSync(folder.at(key), text);
  };
  put(shardFiles.ended(JOB, shard, 1), JSON.stringify(ended));
  put(
    shardFiles.output(JOB, shard, 1),
    outputRow(1, { usage: { prompt_tokens: 1_000, completion_tokens: 100 } }),
  );

  let reads = 0;
  const events: Parameters<JobObserver['onShardSettled']>[0][] = [];
  class CountingStore extends FolderStore {
    override async read(key: string): Promise<string | null> {
      if (key === shardFiles.manifest(JOB, shard)) reads += 1;
      return await super.read(key);
    }
  }
  const store = new CountingStore(folder.path);
  const deps = {
    api: new BatchApi(
      new OpenAI({ apiKey: 'test', fetch: async () => await Promise.reject(new Error('not asked')) }),
      0,
    ),
    store,
    files: fileWorkOn(store),
    patience: 0,
    observer: { onShardSettled: (event) => events.push(event) } as Partial<JobObserver> as JobObserver,
  };
  const bound = fetchResults.bind(null, deps);
  const fetched = async (): Promise<ShardCounts> =>
    await new MockActivityEnvironment().run<[FetchRequest], ShardCounts, typeof bound>(bound, request);

  const counts = await fetched();
  expect(reads).toBe(1);
  expect(counts).toMatchObject({ answered: 1, inputTokens: 1_000, outputTokens: 100 });
  expect(events).toHaveLength(1);
  expect(events[0]).toMatchObject({
    model: 'gpt-4o-mini',
    tokens: { input: 1_000, cached: 0, output: 100 },
    amount: { cost: counts.cost },
  });
  expect(counts).toMatchObject({ cost: '210000000', costUsd: 0.000105, costUsdWithoutBatch: 0.00021 });

  expect(await fetched()).toEqual(counts);
  expect(events).toHaveLength(1);
});

test('an observer that throws does not fail a step', async () => {
  using folder = new TempFolder();
  plan(folder.path, `${requestLine('a')}\n`);
  const put = (key: string, text: string): void => {
    mkdirSync(dirname(folder.at(key)), { recursive: true });
    writeFileSync(folder.at(key), text);
  };
  put(jobFiles.round(JOB, 1), '{}');
  put(shardFiles.ended(JOB, shard, 1), JSON.stringify(ended));
  const usage = { prompt_tokens: 1, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 9 } };
  put(shardFiles.output(JOB, shard, 1), outputRow(1, { usage }));
  const fail = (): void => {
    throw new Error('no metrics today');
  };
  const store = new FolderStore(folder.path);
  const activities = createActivities({
    api: new OpenAI({ apiKey: 'test', fetch: async () => await Promise.reject(new Error('not asked')) }),
    store,
    files: fileWorkOn(store),
    patience: 0,
    observer: { onShardSettled: fail, onDownloaded: fail } as Partial<JobObserver> as JobObserver,
  });
  const step = async (of: FetchRequest): Promise<ShardCounts> => await activities.fetchResults(of);
  const counts = await new MockActivityEnvironment().run<[FetchRequest], ShardCounts, typeof step>(
    step,
    request,
  );
  expect(counts).toMatchObject({ answered: 1, inputTokens: 1, costUsd: null, cost: null });
});

/** A shard of one line whose batch has ended by its record, and an API that has the answer in `file-out`. */
function endedShard(
  root: string,
  recorded: Partial<EndedRecord>,
  now: () => Record<string, unknown>,
): { fetched: () => Promise<ShardCounts>; asked: string[] } {
  plan(root, `${requestLine('a')}\n`);
  const record = join(root, shardFiles.ended(JOB, shard, 1));
  mkdirSync(dirname(record), { recursive: true });
  writeFileSync(record, JSON.stringify({ ...ended, ...recorded }));
  const asked: string[] = [];
  const answer = async (url: unknown): Promise<Response> => {
    const path = new URL(String(url)).pathname.replace('/v1', '');
    asked.push(path);
    if (path === '/files/file-out/content')
      return new Response(outputRow(1, { usage: { prompt_tokens: 1, completion_tokens: 1 } }));
    if (path === '/files/file-empty/content') return new Response('');
    if (path.startsWith('/files/file-early'))
      return Response.json({ error: { message: 'No such file.' } }, { status: 404 });
    return Response.json({ id: 'batch_1', object: 'batch', ...now() });
  };
  const store = new FolderStore(root);
  const deps = {
    api: new BatchApi(new OpenAI({ apiKey: 'test', baseURL: 'http://127.0.0.1/v1', fetch: answer }), 1),
    store,
    files: fileWorkOn(store),
    patience: 1,
  };
  const bound = fetchResults.bind(null, deps);
  const fetched = async (): Promise<ShardCounts> =>
    await new MockActivityEnvironment().run<[FetchRequest], ShardCounts, typeof bound>(bound, request);
  return { fetched, asked };
}

test('a file that the API names after the end is downloaded at once, and the batch is read once for it', async () => {
  using folder = new TempFolder();
  const { fetched, asked } = endedShard(folder.path, { outputFileId: null }, () => ({
    status: 'completed',
    output_file_id: 'file-out',
  }));
  expect(await fetched()).toMatchObject({ answered: 1, again: 0 });
  expect(asked).toEqual(['/batches/batch_1', '/files/file-out', '/files/file-out/content']);
});

test.each(['file-early', 'file-empty'])(
  'the file that the API names last is downloaded, not %s, which it named before the batch had ended',
  async (outputFileId) => {
    using folder = new TempFolder();
    const { fetched } = endedShard(folder.path, { outputFileId }, () => ({
      status: 'completed',
      output_file_id: 'file-out',
    }));
    expect(await fetched()).toMatchObject({ answered: 1, again: 0 });
  },
);

test('a batch that was treated as ended and is running is read for longer than ten minutes', async () => {
  using folder = new TempFolder();
  vi.useFakeTimers({ toFake: ['Date'] });
  try {
    let now: Record<string, unknown> = { status: 'in_progress', output_file_id: 'file-early' };
    const { fetched } = endedShard(folder.path, { outputFileId: 'file-early' }, () => now);
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      await expect(fetched()).rejects.toMatchObject({ type: 'AnswersNotReady', nextRetryDelay: 240_000 });
      vi.setSystemTime(Date.now() + 1_000_000);
    }
    now = { status: 'completed', output_file_id: 'file-early' };
    await expect(fetched()).rejects.toMatchObject({ type: 'AnswersNotReady' });
    now = { status: 'completed', output_file_id: 'file-out' };
    expect(await fetched()).toMatchObject({ answered: 1, again: 0 });
  } finally {
    vi.useRealTimers();
  }
});

/** The API has the file; the store, which is in memory, sometimes fails. */
describe('a store that fails', () => {
  const usage = { prompt_tokens: 10, completion_tokens: 1 };

  async function begin(): Promise<{
    store: MemoryStore;
    events: unknown[];
    fetched: () => Promise<ShardCounts>;
  }> {
    using folder = new TempFolder();
    const store = new MemoryStore();
    const files = fileWorkOn(store);
    const spec = specFor(folder.path, `${requestLine('a')}\n`);
    await files.shardInput({ spec, counter: new ByteCounter() });
    await store.replace(shardFiles.ended(JOB, shard, 1), JSON.stringify(ended));
    const answer = async (url: unknown): Promise<Response> =>
      String(url).endsWith('/content')
        ? new Response(outputRow(1, { usage }))
        : Response.json({ id: 'file-out', object: 'file', bytes: outputRow(1, { usage }).length });
    const events: unknown[] = [];
    const deps = {
      api: new BatchApi(new OpenAI({ apiKey: 'test', baseURL: 'http://127.0.0.1/v1', fetch: answer }), 1),
      store,
      files,
      patience: 1,
      observer: {
        onShardSettled: (event) => events.push(event),
        onDownloaded: () => undefined,
      } as Partial<JobObserver> as JobObserver,
    };
    const bound = fetchResults.bind(null, deps);
    const fetched = async (): Promise<ShardCounts> =>
      await new MockActivityEnvironment().run<[FetchRequest], ShardCounts, typeof bound>(bound, request);
    return { store, events, fetched };
  }

  test.each<[string, (access: string, key: string) => boolean]>([
    ['when the answers arrive', (access) => access === 'writeStream'],
    ['when rows are published', (access, key) => access === 'withFiles' && key.includes('/rows-')],
    ['when the outcome is claimed', (access) => access === 'claim'],
  ])('%s has settled nothing, and the next attempt settles and reports once', async (_, isFailing) => {
    const { store, events, fetched } = await begin();
    store.failWhere((access, key) => (isFailing(access, key) ? new Error('no room') : null));
    await expect(fetched()).rejects.toThrow('no room');
    expect(await store.size(shardFiles.outcome(JOB, shard))).toBeNull();
    store.failWhere(null);
    expect(await fetched()).toMatchObject({ answered: 1, inputTokens: 10 });
    expect(await fetched()).toMatchObject({ answered: 1, inputTokens: 10 });
    expect(events).toHaveLength(1);
    const rows = (await store.list(`jobs/${JOB}/shards/${shard}`)).filter((name) => name.startsWith('rows'));
    expect(rows).toHaveLength(1);
  });
});
