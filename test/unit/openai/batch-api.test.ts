import { expect, test } from 'vitest';
import { apiOf, type Reply } from './api-of.ts';

const signal = AbortSignal.timeout(60_000);

const cancel = async (replies: Record<string, Reply>): Promise<void> =>
  await apiOf(replies).postCancel('b1', signal);

const check = async (replies: Record<string, Reply>): Promise<void> => await apiOf(replies).checkKey(signal);

test.each([400, 404, 405, 409, 410, 422, 501])('a cancel refused with %d does not fail', async (status) => {
  await cancel({ 'POST /batches/b1/cancel': status });
});

test.each<[status: number, type: string]>([
  [401, 'AccountRefused'],
  [403, 'AccountRefused'],
  [429, 'ApiTrouble'],
  [500, 'ApiTrouble'],
])('a cancel refused with %d is reported as %s', async (status, type) => {
  await expect(cancel({ 'POST /batches/b1/cancel': status })).rejects.toMatchObject({ type });
});

const fine = { data: [] };

test.each<[title: string, list: Reply, files: Reply]>([
  ['by the list', fine, 401],
  ['by the files, when the list fails', 500, fine],
  ['by the files, when only the list is refused', 403, fine],
  ['when neither route exists', 404, 404],
])('the account is accepted %s', async (_, list, files) => {
  await check({ 'GET /batches': list, 'GET /files': files });
});

test.each<[list: Reply, files: Reply, type: string]>([
  [401, fine, 'AccountRefused'],
  [403, 403, 'AccountRefused'],
  [403, 404, 'AccountRefused'],
  [500, 401, 'AccountRefused'],
  [500, 500, 'ApiTrouble'],
])('the account is not accepted when list and files return %j and %j', async (list, files, type) => {
  const replies = { 'GET /batches': list, 'GET /files': files };
  await expect(check(replies)).rejects.toMatchObject({ type });
});
