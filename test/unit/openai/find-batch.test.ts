import { expect, test } from 'vitest';
import { findBatch } from '../../../src/openai/find-batch.ts';
import { INSTANCE_KEY, SHARD_KEY } from '../../../src/openai/batch-metadata.ts';
import { apiOf, type Reply } from './api-of.ts';

const metadata = { [SHARD_KEY]: 'job/r1-00001/1', [INSTANCE_KEY]: 'here' };
const full = { id: 'b1', created_at: 5, input_file_id: 'f1', metadata };

async function find(replies: Record<string, Reply>): Promise<string | null> {
  const wanted = { key: 'job/r1-00001/1', instance: 'here', fileIds: ['f1'], notBefore: 0, known: ['b0'] };
  const found = await findBatch(apiOf(replies), wanted, AbortSignal.timeout(10_000));
  return found?.id ?? null;
}

test.each<[title: string, entry: Record<string, unknown>]>([
  ['as it is', full],
  ['without metadata', { ...full, metadata: undefined }],
  ['as a summary without metadata and file', { id: 'b1', status: 'in_progress' }],
  ['as a summary with the key alone', { id: 'b1', metadata: { [SHARD_KEY]: 'job/r1-00001/1' } }],
])('finds the batch that is listed %s', async (_, entry) => {
  const other = { id: 'b9', created_at: 4, metadata: {} };
  const replies = { 'GET /batches': { data: [entry, { id: 'b9' }] }, 'GET /batches/b1': full };
  expect(await find({ ...replies, 'GET /batches/b9': other })).toBe('b1');
});

test('does not return a batch that is of another shard when read, nor a known one', async () => {
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
  ['of version 0.1, which has no instance id, by its file', 'f1', 'b1'],
  ['of version 0.1 and of a job with this id in another store, never', 'f2', null],
])('finds a batch %s', async (_, fileId, found) => {
  const bare = { ...full, input_file_id: fileId, metadata: { [SHARD_KEY]: 'job/r1-00001/1' } };
  expect(await find({ 'GET /batches': { data: [bare] }, 'GET /batches/b1': bare })).toBe(found);
});

test('does not return a batch with another instance id', async () => {
  const other = { ...full, metadata: { ...metadata, [INSTANCE_KEY]: 'there' } };
  expect(await find({ 'GET /batches': { data: [other] }, 'GET /batches/b1': other })).toBeNull();
});

test('uses the list entry when single reads are refused', async () => {
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

test('a listed batch that cannot be read fails the search', async () => {
  const replies = { 'GET /batches': { data: [{ id: 'b1' }] }, 'GET /batches/b1': 500 };
  await expect(find(replies)).rejects.toMatchObject({ type: 'ApiTrouble' });
});
