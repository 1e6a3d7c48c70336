import type { Client } from '@temporalio/client';
import OpenAI from 'openai';
import { expect, test } from 'vitest';
import type { Store } from '../../../src/store/store.ts';
import { JobWaker, type Woken } from '../../../src/worker/wake-job.ts';

/** What becomes of an event where the API answers the question for its batch so. */
async function wake(answer: Response): Promise<Woken> {
  const api = new OpenAI({ apiKey: 'test', maxRetries: 0, fetch: async () => answer });
  const waker = new JobWaker({ api, patience: 1, store: {} as Store, client: {} as Client });
  return await waker.wake('batch_1');
}

test('a batch that the API does not know, or that says of no job, is not ours', async () => {
  const error = { message: 'No such batch.' };
  expect(await wake(Response.json({ error }, { status: 404 }))).toEqual({ result: 'not_ours' });
  expect(await wake(Response.json({ id: 'batch_1', status: 'completed' }))).toEqual({ result: 'not_ours' });
});

test.each<[title: string, answer: Response]>([
  ["a proxy's page", new Response('<html>Sign in</html>', { headers: { 'content-type': 'text/html' } })],
  ['another batch', Response.json({ id: 'batch_2', status: 'completed' })],
  ['a trouble', Response.json({ error: {} }, { status: 503 })],
])('the event comes again where the answer is %s', async (_, answer) => {
  await expect(wake(answer)).rejects.toMatchObject({ type: 'ApiTrouble' });
});
