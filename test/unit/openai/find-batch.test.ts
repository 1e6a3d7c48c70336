import { expect, test } from 'vitest';
import { findBatch } from '../../../src/openai/find-batch.ts';
import { INSTANCE_KEY, SHARD_KEY } from '../../../src/openai/labels.ts';
import { apiOf, type Answer } from './api-of.ts';

const metadata = { [SHARD_KEY]: 'job/r1-00001/1', [INSTANCE_KEY]: 'here' };
const full = { id: 'b1', created_at: 5, input_file_id: 'f1', metadata };

async function find(answers: Record<string, Answer>): Promise<string | null> {
  const wanted = { key: 'job/r1-00001/1', instance: 'here', fileIds: ['f1'], notBefore: 0, known: ['b0'] };
  const found = await findBatch(apiOf(answers), wanted, AbortSignal.timeout(10_000));
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
