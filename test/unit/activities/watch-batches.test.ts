import { MockActivityEnvironment } from '@temporalio/testing';
import OpenAI from 'openai';
import { beforeEach, expect, test } from 'vitest';
import { BatchApi } from '../../../src/openai/batch-api.ts';
import { INSTANCE_KEY, JOB_KEY, SHARD_KEY } from '../../../src/openai/batch-metadata.ts';
import type { WatchReply } from '../../../src/activities/batches/watch-reply.ts';
import { watchBatches, type WatchRequest } from '../../../src/activities/watch-batches.ts';
import { groupBatches, type KnownStatus } from '../../../src/core/batch-groups.ts';
import { shardId } from '../../../src/core/shard-plan.ts';
import type { FileWork } from '../../../src/file-work/file-work.ts';
import { FolderStore } from '../../../src/store/folder-store.ts';
import { claimJobApi, jobInstance } from '../../../src/store/job-api.ts';
import { shardFiles } from '../../../src/store/job-files.ts';
import { claimRecord } from '../../../src/store/store.ts';
import { TempFolder } from '../../support/temp-folder.ts';

let folder: TempFolder;
let store: FolderStore;
let polls = 0;
beforeEach(() => {
  folder = new TempFolder();
  store = new FolderStore(folder.path);
  polls = 0;
  return () => folder[Symbol.dispose]();
});

const LONG_MS = 60_000;

interface Watched {
  readonly afterMs?: number;
  readonly lookMs?: number;
  /** The last statuses of the shards' batches, in order. */
  readonly known?: readonly KnownStatus[];
  readonly beats?: unknown[];
  /** Shards whose batch is not on record. */
  readonly unrecorded?: readonly string[];
  /** As in the record of the first batch. */
  readonly linesPerRequest?: number;
}

/** Polls batches of an API whose list at the n-th poll is what `listed` returns. */
async function watch(
  listed: (poll: number) => Record<string, unknown>[],
  watched: Watched = {},
): Promise<WatchReply> {
  const { afterMs = 0, lookMs = LONG_MS, known = ['in_progress'], beats = [], unrecorded = [] } = watched;
  const api = new OpenAI({
    apiKey: 'test',
    maxRetries: 0,
    fetch: async (input) => {
      const { pathname } = new URL(input instanceof Request ? input.url : input);
      const instance = await jobInstance(store, 'job');
      const complete = ({ shard, ...batch }: Record<string, unknown>) => ({
        metadata: { [JOB_KEY]: 'job', [SHARD_KEY]: `job/${String(shard)}/1`, [INSTANCE_KEY]: instance },
        created_at: 1,
        errors: null,
        ...batch,
      });
      if (pathname.endsWith('/batches')) {
        polls += 1;
        return Response.json({ data: listed(polls).map(complete), has_more: false });
      }
      const found = listed(polls).find(({ id }) => pathname.endsWith(`/${String(id)}`));
      if (found === undefined) return Response.json({}, { status: 404 });
      return Response.json(complete(found));
    },
  });
  await claimJobApi(store, 'job', api.baseURL);
  const batches = known.map((status, i) => ({ shard: shardId(1, i), batch: 1, status }));
  for (const [i, { shard }] of batches.entries())
    if (!unrecorded.includes(shard))
      await claimRecord(store, shardFiles.batch('job', shard, 1), {
        batchId: `batch_${i + 1}`,
        ...(i === 0 ? { linesPerRequest: watched.linesPerRequest } : {}),
      });
  const deps = { api: new BatchApi(api, 0), store, files: {} as FileWork, patience: 0, hasStepQueues: true };
  const bound = watchBatches.bind(null, deps);
  const environment = new MockActivityEnvironment({ heartbeatTimeoutMs: 500 });
  environment.on('heartbeat', (beat: unknown) => beats.push(beat));
  return await environment.run<[WatchRequest], WatchReply, typeof bound>(bound, {
    job: 'job',
    groups: groupBatches(batches),
    afterMs,
    lookMs,
    smallestMs: 10,
    quietMs: 0,
    turn: 0,
  });
}

const own = { id: 'batch_1', shard: 'r1-00001' };
const second = { id: 'batch_2', shard: 'r1-00002' };
const counted = (completed: number, failed: number) => ({ request_counts: { total: 9, completed, failed } });

test('counts requests of the API as lines', async () => {
  const reply = await watch(
    () => [
      { ...own, status: 'in_progress', ...counted(2, 1) },
      { ...second, status: 'in_progress', ...counted(2, 1) },
    ],
    { known: ['created', 'created'], linesPerRequest: 2.5 },
  );
  expect(reply).toMatchObject({ ran: 11, counts: [5, 3, 2, 1] });
});

test('polls until a batch has ended, and returns only that one', async () => {
  const reply = await watch(
    (poll) => [
      { ...own, status: poll < 4 ? 'in_progress' : 'completed', ...counted(9, 0) },
      { ...second, status: 'in_progress', ...counted(poll, 1) },
    ],
    { known: ['in_progress', 'in_progress'] },
  );
  expect(polls).toBe(4);
  expect(reply).toEqual({
    changed: [{ status: { status: 'completed' }, round: 1, batch: 1, shards: '1' }],
    unread: [],
    ran: 5,
    counts: [4, 1],
    windowMs: null,
    duplicates: 0,
    words: [],
    hasQueue: true,
  });
});

test('returns why a batch was refused as a whole', async () => {
  const errors = { data: [{ code: 'token_limit_exceeded', message: 'Enqueued token limit', line: null }] };
  const { changed } = await watch(() => [{ ...own, status: 'failed', errors }], { known: ['validating'] });
  expect(changed).toEqual([
    { status: { status: 'failed', refusal: 'token_limit' }, round: 1, batch: 1, shards: '1' },
  ]);
});

test('returns after the requested time', async () => {
  const reply = await watch(() => [{ ...own, status: 'in_progress', ...counted(3, 0) }], { lookMs: 200 });
  expect(polls).toBeGreaterThan(1);
  expect(reply).toMatchObject({ changed: [], unread: [], ran: 3, counts: [3, 0] });
});

test('polls at least once', async () => {
  await watch(() => [{ ...own, status: 'in_progress' }], { afterMs: 20, lookMs: 0 });
  expect(polls).toBe(1);
});

test('a status that the workflow already knows is not a change', async () => {
  const { changed } = await watch((poll) => [{ ...own, status: poll < 3 ? 'finalizing' : 'completed' }], {
    known: ['finalizing'],
  });
  expect(polls).toBe(3);
  expect(changed).toHaveLength(1);
});

test('reports once that the API does not know a batch, and then that it knows the batch again', async () => {
  const { changed } = await watch(() => [], { known: ['in_progress'] });
  expect(polls).toBe(1);
  expect(changed).toMatchObject([{ status: { status: 'missing' } }]);
  polls = 0;
  const again = await watch((poll) => (poll < 3 ? [] : [{ ...own, status: 'in_progress' }]), {
    known: ['missing'],
  });
  expect(polls).toBe(3);
  expect(again.changed).toMatchObject([{ status: { status: 'in_progress' } }]);
});

test('is not ended by other batches of the job, ended or not', async () => {
  await watch((poll) => [
    { id: 'batch_0', shard: 'r1-00009', status: 'completed' },
    { ...second, status: 'validating' },
    { ...own, status: poll < 3 ? 'in_progress' : 'expired' },
  ]);
  expect(polls).toBe(3);
});

test('a batch without its record is returned as unread, and the others are polled', async () => {
  const reply = await watch(() => [{ ...second, status: 'completed' }], {
    known: ['in_progress', 'in_progress'],
    unrecorded: ['r1-00001'],
  });
  expect(reply.changed).toMatchObject([{ shards: '2' }]);
  expect(reply.unread).toEqual([{ status: null, round: 1, batch: 1, shards: '1' }]);
});

test('unknown statuses of the server are returned, and count as running', async () => {
  const reply = await watch(() => [{ ...own, status: 'ready' }], { lookMs: 0 });
  expect(reply).toMatchObject({ changed: [], words: ['ready'] });
});

test('heartbeats report the counts, for the first shards individually', async () => {
  const beats: unknown[] = [];
  await watch(() => [{ ...own, status: 'in_progress', ...counted(5, 2) }], { lookMs: 900, beats });
  expect(beats.at(-1)).toEqual({ ran: 7, shards: { 'r1-00001': [5, 2] } });
});
