import { MockActivityEnvironment } from '@temporalio/testing';
import OpenAI from 'openai';
import { expect, test } from 'vitest';
import { cancelBatch } from '../../../src/activities/cancel-batch.ts';
import { checkAccount } from '../../../src/activities/check-account.ts';
import type { Dependencies } from '../../../src/activities/dependencies.ts';
import { findBatch, INSTANCE_KEY, SHARD_KEY } from '../../../src/activities/find-batch.ts';

type Answer = unknown;

/** An API that answers calls by name; a number is a refusal with that status. */
function apiOf(answers: Record<string, Answer>): OpenAI {
  return new OpenAI({
    apiKey: 'test',
    maxRetries: 0,
    fetch: async (input, init) => {
      const { pathname } = new URL(input instanceof Request ? input.url : input);
      const answer = answers[`${(init?.method ?? 'get').toUpperCase()} ${pathname.slice(3)}`] ?? 404;
      return typeof answer === 'number'
        ? Response.json({ error: { message: 'No.' } }, { status: answer })
        : Response.json(answer);
    },
  });
}

const metadata = { [SHARD_KEY]: 'job/r1-00001/1', [INSTANCE_KEY]: 'here' };
const full = { id: 'b1', created_at: 5, input_file_id: 'f1', metadata };

async function find(answers: Record<string, Answer>): Promise<string | null> {
  const wanted = { key: 'job/r1-00001/1', instance: 'here', fileIds: ['f1'], notBefore: 0, known: ['b0'] };
  const found = await findBatch(apiOf(answers), AbortSignal.timeout(10_000), wanted);
  return found?.id ?? null;
}

test.each<[title: string, entry: Record<string, unknown>]>([
  ['as it is', full],
  ['without metadata', { ...full, metadata: undefined }],
  ['as a summary without metadata and file', { id: 'b1', status: 'in_progress' }],
  ['as a summary with the key alone', { id: 'b1', metadata: { [SHARD_KEY]: 'job/r1-00001/1' } }],
])('finds the batch that is listed %s', async (_, entry) => {
  const other = { id: 'b9', created_at: 4, metadata: {} };
  const answers = { 'GET /batches': { data: [entry, { id: 'b9' }] }, 'GET /batches/b1': full };
  expect(await find({ ...answers, 'GET /batches/b9': other })).toBe('b1');
});

test('takes no batch that by itself is of another shard, nor one that is known', async () => {
  const of = (key: string) => ({ ...full, metadata: { ...metadata, [SHARD_KEY]: key } });
  expect(
    await find({
      'GET /batches': { data: [{ id: 'b1', input_file_id: 'f1' }, { id: 'b0' }] },
      'GET /batches/b1': of('job/r1-00002/1'),
      'GET /batches/b0': full,
    }),
  ).toBeNull();
});

test.each<[who: string, fileId: string, found: string | null]>([
  ['of version 0.1, which carries no word of its store, by its file', 'f1', 'b1'],
  ['of a job of this id in another store, which version 0.1 has made, never', 'f2', null],
])('takes a batch %s', async (_, fileId, found) => {
  const bare = { ...full, input_file_id: fileId, metadata: { [SHARD_KEY]: 'job/r1-00001/1' } };
  expect(await find({ 'GET /batches': { data: [bare] }, 'GET /batches/b1': bare })).toBe(found);
});

test('takes no batch that carries the word of another store', async () => {
  const other = { ...full, metadata: { ...metadata, [INSTANCE_KEY]: 'there' } };
  expect(await find({ 'GET /batches': { data: [other] }, 'GET /batches/b1': other })).toBeNull();
});

test('takes the list for true where single reads are refused', async () => {
  expect(await find({ 'GET /batches': { data: [full] }, 'GET /batches/b1': 405 })).toBe('b1');
});

test.each<[status: number, type: string, final: boolean]>([
  [500, 'ApiTrouble', false],
  [400, 'RequestRefused', true],
  [404, 'RequestRefused', true],
  [405, 'RequestRefused', true],
  [501, 'RequestRefused', true],
])('a list refused with %d fails the search as %s', async (status, type, final) => {
  await expect(find({ 'GET /batches': status })).rejects.toMatchObject({ type, nonRetryable: final });
});

test('a listed batch that cannot be read is no guess', async () => {
  const answers = { 'GET /batches': { data: [{ id: 'b1' }] }, 'GET /batches/b1': 500 };
  await expect(find(answers)).rejects.toMatchObject({ type: 'ApiTrouble' });
});

/** Runs a step at an API. */
async function run(
  step: (deps: Dependencies) => Promise<void>,
  answers: Record<string, Answer>,
): Promise<void> {
  const deps = { api: apiOf(answers) } as Dependencies;
  await new MockActivityEnvironment().run(async () => await step(deps));
}

const cancel = async (deps: Dependencies): Promise<void> => await cancelBatch(deps, { batchId: 'b1' });

test.each([400, 404, 405, 409, 410, 422, 501])('a cancel refused with %d fails no job', async (status) => {
  await run(cancel, { 'POST /batches/b1/cancel': status });
});

test.each<[status: number, type: string]>([
  [401, 'AccountRefused'],
  [403, 'AccountRefused'],
  [429, 'ApiTrouble'],
  [500, 'ApiTrouble'],
])('a cancel refused with %d is reported as %s', async (status, type) => {
  await expect(run(cancel, { 'POST /batches/b1/cancel': status })).rejects.toMatchObject({ type });
});

const fine = { data: [] };

test.each<[title: string, list: Answer, files: Answer]>([
  ['by the list', fine, 401],
  ['by the files, where the list is broken', 500, fine],
  ['by the files, where the list is refused by itself', 403, fine],
  ['where neither route exists', 404, 404],
])('the account is accepted %s', async (_, list, files) => {
  await run(checkAccount, { 'GET /batches': list, 'GET /files': files });
});

test.each<[list: Answer, files: Answer, type: string]>([
  [401, fine, 'AccountRefused'],
  [403, 403, 'AccountRefused'],
  [403, 404, 'AccountRefused'],
  [500, 401, 'AccountRefused'],
  [500, 500, 'ApiTrouble'],
])('the account is not accepted where list and files answer %j and %j', async (list, files, type) => {
  const answers = { 'GET /batches': list, 'GET /files': files };
  await expect(run(checkAccount, answers)).rejects.toMatchObject({ type });
});
