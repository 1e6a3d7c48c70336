/** Polls with lists that are stale, broken or of summaries, and with batches that cannot be read individually. */
import { MockActivityEnvironment } from '@temporalio/testing';
import OpenAI from 'openai';
import { beforeEach, expect, test } from 'vitest';
import { BatchApi } from '../../../../src/openai/batch-api.ts';
import { INSTANCE_KEY, JOB_KEY, SHARD_KEY } from '../../../../src/openai/batch-metadata.ts';
import type { BatchReading } from '../../../../src/activities/batches/batch-reading.ts';
import { pollBatches, type PollRequest } from '../../../../src/activities/poll-batches.ts';
import type { FileWork } from '../../../../src/file-work/file-work.ts';
import { FolderStore } from '../../../../src/store/folder-store.ts';
import { claimJobApi, jobInstance } from '../../../../src/store/job-api.ts';
import { shardFiles } from '../../../../src/store/job-files.ts';
import { TempFolder } from '../../../support/temp-folder.ts';

type Shown = Record<string, unknown>;
type Answer = () => Response | Promise<Response>;

let folder: TempFolder;
let store: FolderStore;
let calls: string[];
/** The responses to reads of single batches: a batch or an error. */
let single: Record<string, Shown | Answer>;
/** The response to a list: its entries or an error. */
let list: Shown[] | Answer;

beforeEach(() => {
  folder = new TempFolder();
  store = new FolderStore(folder.path);
  calls = [];
  single = {};
  list = [];
  return () => folder[Symbol.dispose]();
});

const refusal =
  (status: number): Answer =>
  () =>
    Response.json({ error: { message: 'No.' } }, { status });
const hang: Answer = () => Promise.reject(Object.assign(new Error('timed out'), { name: 'AbortError' }));

const api = new OpenAI({
  apiKey: 'test',
  maxRetries: 0,
  fetch: async (input, init) => {
    const { pathname } = new URL(input instanceof Request ? input.url : input);
    calls.push(`${(init?.method ?? 'get').toUpperCase()} ${pathname.replace('/v1/batches', '') || '/'}`);
    if (pathname.endsWith('/batches'))
      return typeof list === 'function' ? await list() : Response.json({ data: list, has_more: false });
    const batch = single[pathname.split('/')[3]!];
    if (typeof batch === 'function') return await batch();
    if (pathname.endsWith('/cancel')) return Response.json({ ...batch, status: 'cancelling' });
    return batch === undefined ? await refusal(404)() : Response.json(batch);
  },
});

const shardOf = (n: number): string => `r1-0000${n}`;

/** Polls batches 1 to `count`. */
async function poll(count = 1, turn = 0): Promise<BatchReading[]> {
  await claimJobApi(store, 'job', api.baseURL);
  const bound = pollBatches.bind(null, {
    api: new BatchApi(api, 0),
    store,
    files: {} as FileWork,
    patience: 0,
  });
  const batches = Array.from({ length: count }, (_, i) => ({
    shard: shardOf(i + 1),
    batch: 1,
    batchId: `b${i + 1}`,
  }));
  const request = { job: 'job', batches, afterMs: 0, turn };
  return await new MockActivityEnvironment().run<[PollRequest], BatchReading[], typeof bound>(bound, request);
}

const running = (n: number): Shown => ({
  id: `b${n}`,
  status: 'in_progress',
  created_at: 10,
  input_file_id: `f${n}`,
});
const ended = (n: number): Shown => ({ ...running(n), status: 'completed', output_file_id: `out${n}` });
const statuses = (readings: BatchReading[]): Record<string, string> =>
  Object.fromEntries(readings.map(({ batchId, status }) => [batchId, status]));
const reads = (): string[] => calls.filter((call) => call.startsWith('GET /b')).map((call) => call.slice(5));

test.each<[title: string, broken: Answer]>([
  ['is refused with 500', refusal(500)],
  ['is refused with 400', refusal(400)],
  ['is refused with 401', refusal(401)],
  ['is refused with 404', refusal(404)],
  ['hangs', hang],
  ['is a web page', () => new Response('<html>', { headers: { 'content-type': 'text/html' } })],
  ['has another shape', () => Response.json({ data: { b1: 1 } })],
  ['holds values that are not batches', () => Response.json({ data: [null, 7, { status: 'completed' }] })],
])('all batches are read individually if the list %s', async (_, broken) => {
  list = broken;
  single = { b1: ended(1), b2: running(2) };
  expect(statuses(await poll(2))).toEqual({ b1: 'completed', b2: 'in_progress' });
});

test('a batch whose listed status does not change is read individually in its turn, by the tenth poll at the latest', async () => {
  const count = 25;
  list = Array.from({ length: count }, (_, i) => running(i + 1));
  single = Object.fromEntries(list.map((batch) => [batch['id'], batch]));
  const read = new Set<string>();
  for (let turn = 0; turn < 10; turn += 1) {
    calls = [];
    await poll(count, turn);
    expect(reads().length).toBeLessThanOrEqual(3);
    for (const id of reads()) read.add(id);
  }
  expect(read.size).toBe(count);
});

test('an end that a stale list hides is found', async () => {
  list = [running(1)];
  single = { b1: ended(1) };
  expect(statuses(await poll())).toEqual({ b1: 'completed' });
});

test('an end in the list is confirmed by a read of the batch', async () => {
  list = [
    { id: 'b1', status: 'failed' },
    { id: 'b2', status: 'completed' },
  ];
  const errors = { data: [{ code: 'token_limit_exceeded', message: '', line: null }] };
  single = { b1: { ...running(1), status: 'failed', errors }, b2: running(2) };
  const readings = await poll(2, 1);
  expect(statuses(readings)).toEqual({ b1: 'failed', b2: 'in_progress' });
  expect(readings.find(({ batchId }) => batchId === 'b1')?.refusal).toBe('token_limit');
});

test.each([404, 405, 400, 403])('the list decides if single reads are refused with %d', async (status) => {
  list = [running(1), ended(2)];
  single = { b1: refusal(status), b2: refusal(status) };
  const second = status === 403 ? 'missing' : 'completed';
  expect(statuses(await poll(2))).toEqual({ b1: 'in_progress', b2: second });
});

test('a batch that cannot be read does not affect the others, and keeps its last status', async () => {
  list = refusal(500);
  single = { b1: refusal(500), b2: ended(2), b3: hang };
  expect(statuses(await poll(3))).toEqual({ b2: 'completed' });
});

test('an end that only the list shows does not count while the batch cannot be read', async () => {
  list = [ended(1), running(2)];
  single = { b1: refusal(500), b2: running(2) };
  expect(statuses(await poll(2, 1))).toEqual({ b2: 'in_progress' });
});

test('a poll that could read no batch fails and is retried', async () => {
  list = refusal(500);
  single = { b1: refusal(502), b2: refusal(500) };
  await expect(poll(2)).rejects.toMatchObject({ type: 'ApiTrouble', nonRetryable: false });
});

test.each([400, 404, 422])(
  'a batch whose reads are refused permanently (%d) is missing, and does not fail the poll',
  async (status) => {
    list = refusal(404);
    single = { b1: refusal(status), b2: running(2) };
    expect(statuses(await poll(2))).toEqual({ b1: 'missing', b2: 'in_progress' });
    single = { b1: refusal(status) };
    expect(statuses(await poll())).toEqual({ b1: 'missing' });
  },
);

test('a refused key is reported; the refusal of one batch among others is not', async () => {
  list = refusal(401);
  single = { b1: refusal(401), b2: refusal(401) };
  await expect(poll(2)).rejects.toMatchObject({ type: 'AccountRefused' });
  single = { b1: refusal(403), b2: running(2) };
  expect(statuses(await poll(2))).toEqual({ b1: 'missing', b2: 'in_progress' });
});

test('a batch with a recorded end is not read: the API may have deleted it', async () => {
  list = [running(1)];
  single = { b1: { ...ended(1), request_counts: { total: 3, completed: 3, failed: 0 } } };
  await poll();
  calls = [];
  list = refusal(500);
  single = {};
  expect(await poll()).toMatchObject([{ batchId: 'b1', status: 'completed', completed: 3 }]);
  expect(calls).toEqual([]);
});

const counts = (completed: number): Shown => ({ request_counts: { total: 3, completed, failed: 0 } });
const odd = { status: 'ready' };

test.each<[status: string, unknown: string | undefined, title: string, parts: Shown]>([
  ['completed', undefined, 'a synonym', { status: 'Succeeded' }],
  ['in_progress', 'ready', 'no file', { ...odd, ...counts(3) }],
  ['completed', 'ready', 'a file and all counted', { ...odd, ...counts(3), output_file_id: 'out' }],
  ['completed', 'ready', 'a file and no counts', { ...odd, error_file_id: 'err' }],
  [
    'in_progress',
    'ready',
    'a file, and lines that are not counted yet',
    { ...odd, ...counts(2), output_file_id: 'o' },
  ],
  ['in_progress', '(none)', 'no status', { status: undefined }],
  ['in_progress', '(not printable)', 'a status that may not be shown', { status: 'prompt: "x"' }],
])('is %s, with the unknown status %s, for a batch with %s', async (status, unknown, _, parts) => {
  const batch = { ...running(1), ...parts };
  list = [batch];
  single = { b1: batch };
  const [reading] = await poll();
  expect(reading).toMatchObject({ status });
  expect(reading!.unknownStatus).toBe(unknown);
});

test('in a list of summaries, other batches of the file are not duplicates', async () => {
  // An earlier batch of the shard, refused and created from the same file in the same second, and one of another user of the account.
  const metadata = { [SHARD_KEY]: 'job/r1-00001/1', [JOB_KEY]: 'job', [INSTANCE_KEY]: 'x' };
  const other = { id: 'other', status: 'in_progress', created_at: 10, input_file_id: 'f1' };
  list = [other, { ...running(1), status: 'in_progress' }];
  single = {
    b1: { ...running(1), metadata },
    other: { ...other, metadata: { ...metadata, [SHARD_KEY]: 'y' } },
  };
  expect(await poll()).toMatchObject([{ batchId: 'b1', status: 'in_progress' }]);
  expect(calls.filter((call) => call.startsWith('POST'))).toEqual([]);
});

test('a duplicate is read individually before it is cancelled or kept', async () => {
  await claimJobApi(store, 'job', api.baseURL);
  const instance = await jobInstance(store, 'job');
  const metadata = { [SHARD_KEY]: 'job/r1-00001/1', [JOB_KEY]: 'job', [INSTANCE_KEY]: instance };
  const duplicate = { id: 'duplicate', status: 'in_progress', created_at: 20, metadata };
  await store.replace(shardFiles.batch('job', shardOf(1), 1), JSON.stringify({ batchId: 'b1' }));
  list = [duplicate, { ...running(1), metadata }];
  // The list shows it running, but a read shows that it has ended: there is nothing to cancel.
  single = {
    b1: { ...ended(1), metadata },
    duplicate: { ...duplicate, status: 'completed', output_file_id: 'out-t' },
  };
  expect(await poll()).toMatchObject([{ batchId: 'b1', status: 'completed', duplicates: 1 }]);
  expect(calls.filter((call) => call.startsWith('POST'))).toEqual([]);
});

test.each<[whose: string, fileId: string, isOurs: boolean]>([
  ['a duplicate of version 0.1 is cancelled', 'f1', true],
  ['one of another store’s job of version 0.1 is not cancelled', 'f9', false],
])('of batches with the key, but without an instance id: %s', async (_, fileId, isOurs) => {
  const metadata = { [SHARD_KEY]: 'job/r1-00001/1', [JOB_KEY]: 'job' };
  const bare = { ...running(8), created_at: 20, input_file_id: fileId, metadata };
  const late = {
    ...running(9),
    input_file_id: fileId,
    metadata: { ...metadata, [SHARD_KEY]: 'job/r1-00002/1' },
  };
  for (const shard of [1, 2]) {
    await store.replace(shardFiles.batch('job', shardOf(shard), 1), JSON.stringify({ batchId: `b${shard}` }));
    await store.replace(shardFiles.upload('job', shardOf(shard), 1), JSON.stringify({ fileId: 'f1' }));
  }
  list = [late, bare, running(1)];
  single = { b1: running(1), b8: bare, b9: late };
  const [reading] = await poll();
  expect(reading!.duplicates ?? 0).toBe(isOurs ? 1 : 0);
  const cancelled = isOurs ? ['POST /b8/cancel', 'POST /b9/cancel'] : [];
  expect(calls.filter((call) => call.startsWith('POST'))).toEqual(cancelled);
});
