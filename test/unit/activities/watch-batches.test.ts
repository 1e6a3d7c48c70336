import { MockActivityEnvironment } from '@temporalio/testing';
import OpenAI from 'openai';
import { beforeEach, expect, test } from 'vitest';
import { BatchApi } from '../../../src/openai/batch-api.ts';
import { INSTANCE_KEY, JOB_KEY, SHARD_KEY } from '../../../src/openai/batch-metadata.ts';
import { watchBatches, type WatchReply, type WatchRequest } from '../../../src/activities/watch-batches.ts';
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
let looks = 0;
beforeEach(() => {
  folder = new TempFolder();
  store = new FolderStore(folder.path);
  looks = 0;
  return () => folder[Symbol.dispose]();
});

const LONG_MS = 60_000;

interface Watched {
  readonly afterMs?: number;
  readonly lookMs?: number;
  /** How the shards' batches were last seen, in order. */
  readonly known?: readonly KnownStatus[];
  readonly beats?: unknown[];
  /** Shards whose batch is not on record. */
  readonly unrecorded?: readonly string[];
}

/** Watches batches of an API that lists what `listed` answers for the n-th look. */
async function watch(
  listed: (look: number) => Record<string, unknown>[],
  { afterMs = 0, lookMs = LONG_MS, known = ['in_progress'], beats = [], unrecorded = [] }: Watched = {},
): Promise<WatchReply> {
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
        looks += 1;
        return Response.json({ data: listed(looks).map(complete), has_more: false });
      }
      const found = listed(looks).find(({ id }) => pathname.endsWith(`/${String(id)}`));
      if (found === undefined) return Response.json({}, { status: 404 });
      return Response.json(complete(found));
    },
  });
  await claimJobApi(store, 'job', api.baseURL);
  const batches = known.map((status, i) => ({ shard: shardId(1, i), batch: 1, status }));
  for (const [i, { shard }] of batches.entries())
    if (!unrecorded.includes(shard))
      await claimRecord(store, shardFiles.batch('job', shard, 1), { batchId: `batch_${i + 1}` });
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

test('looks until a batch has ended, and tells of that one only', async () => {
  const reply = await watch(
    (look) => [
      { ...own, status: look < 4 ? 'in_progress' : 'completed', ...counted(9, 0) },
      { ...second, status: 'in_progress', ...counted(look, 1) },
    ],
    { known: ['in_progress', 'in_progress'] },
  );
  expect(looks).toBe(4);
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

test('tells why a batch was refused as a whole', async () => {
  const errors = { data: [{ code: 'token_limit_exceeded', message: 'Enqueued token limit', line: null }] };
  const { changed } = await watch(() => [{ ...own, status: 'failed', errors }], { known: ['validating'] });
  expect(changed).toEqual([
    { status: { status: 'failed', refusal: 'token_limit' }, round: 1, batch: 1, shards: '1' },
  ]);
});

test('comes back when it has looked for as long as it may', async () => {
  const reply = await watch(() => [{ ...own, status: 'in_progress', ...counted(3, 0) }], { lookMs: 200 });
  expect(looks).toBeGreaterThan(1);
  expect(reply).toMatchObject({ changed: [], unread: [], ran: 3, counts: [3, 0] });
});

test('takes one look at least', async () => {
  await watch(() => [{ ...own, status: 'in_progress' }], { afterMs: 20, lookMs: 0 });
  expect(looks).toBe(1);
});

test('a change that was told before is none', async () => {
  const { changed } = await watch((look) => [{ ...own, status: look < 3 ? 'finalizing' : 'completed' }], {
    known: ['finalizing'],
  });
  expect(looks).toBe(3);
  expect(changed).toHaveLength(1);
});

test('tells that the API does not know a batch once, and then that it knows it again', async () => {
  const { changed } = await watch(() => [], { known: ['in_progress'] });
  expect(looks).toBe(1);
  expect(changed).toMatchObject([{ status: { status: 'missing' } }]);
  looks = 0;
  const again = await watch((look) => (look < 3 ? [] : [{ ...own, status: 'in_progress' }]), {
    known: ['missing'],
  });
  expect(looks).toBe(3);
  expect(again.changed).toMatchObject([{ status: { status: 'in_progress' } }]);
});

test('is ended neither by others of the job that have ended nor by those that it does not watch', async () => {
  await watch((look) => [
    { id: 'batch_0', shard: 'r1-00009', status: 'completed' },
    { ...second, status: 'validating' },
    { ...own, status: look < 3 ? 'in_progress' : 'expired' },
  ]);
  expect(looks).toBe(3);
});

test('a batch whose record is gone is told as unread, and the others are looked at', async () => {
  const reply = await watch(() => [{ ...second, status: 'completed' }], {
    known: ['in_progress', 'in_progress'],
    unrecorded: ['r1-00001'],
  });
  expect(reply.changed).toMatchObject([{ shards: '2' }]);
  expect(reply.unread).toEqual([{ status: null, round: 1, batch: 1, shards: '1' }]);
});

test("the server's own words are told, and count as running", async () => {
  const reply = await watch(() => [{ ...own, status: 'ready' }], { lookMs: 0 });
  expect(reply).toMatchObject({ changed: [], words: ['ready'] });
});

test('beats tell the counts, of the first shards one by one', async () => {
  const beats: unknown[] = [];
  await watch(() => [{ ...own, status: 'in_progress', ...counted(5, 2) }], { lookMs: 900, beats });
  expect(beats.at(-1)).toEqual({ ran: 7, shards: { 'r1-00001': [5, 2] } });
});
