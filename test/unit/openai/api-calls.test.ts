import { expect, test } from 'vitest';
import { observedFetch, type ApiCall } from '../../../src/openai/api-calls.ts';

async function reported(url: string, method: string | undefined, answer: () => Response): Promise<ApiCall[]> {
  const calls: ApiCall[] = [];
  const send = observedFetch(
    (call) => calls.push(call),
    async () => answer(),
  );
  await send(url, method === undefined ? {} : { method }).catch(() => undefined);
  return calls;
}

const ok = (): Response => new Response('{}');

test.each([
  ['GET', 'https://api.openai.com/v1/batches?limit=100', 'GET /batches'],
  [undefined, 'https://api.openai.com/v1/batches/batch_6abc', 'GET /batches/{id}'],
  ['POST', 'https://proxy.example/some/base/batches/batch_1/cancel', 'POST /batches/{id}/cancel'],
  ['post', 'https://api.openai.com/v1/batches', 'POST /batches'],
  ['GET', 'https://api.openai.com/v1/files/file-1/content', 'GET /files/{id}/content'],
  ['POST', 'https://api.openai.com/v1/uploads/upload_1/parts', 'POST /uploads/{id}/parts'],
  ['POST', 'https://api.openai.com/v1/uploads/upload_1/complete', 'POST /uploads/{id}/complete'],
  ['GET', 'https://user:secret@proxy.example/else', 'GET other'],
])('%s %s is reported as %s, without ids, hosts and keys', async (method, url, call) => {
  expect(await reported(url, method, ok)).toEqual([{ call, status: '2xx', seconds: expect.any(Number) }]);
});

test.each([
  [200, '2xx'],
  [404, '4xx'],
  [429, '429'],
  [503, '5xx'],
])('status %i is reported as %s', async (status, label) => {
  const [call] = await reported(
    'https://api.openai.com/v1/batches',
    'GET',
    () => new Response('', { status }),
  );
  expect(call!.status).toBe(label);
});

test('a call without a response is reported, and its error is unchanged', async () => {
  const calls: ApiCall[] = [];
  const send = observedFetch(
    (call) => calls.push(call),
    () => Promise.reject(new TypeError('fetch failed')),
  );
  await expect(send('https://api.openai.com/v1/batches')).rejects.toThrow('fetch failed');
  expect(calls).toMatchObject([{ call: 'GET /batches', status: 'none' }]);
});

test("the SDK's probe of fetch is not reported", async () => {
  expect(await reported('data:,', undefined, ok)).toEqual([]);
});
