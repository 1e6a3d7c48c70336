import type { Client } from '@temporalio/client';
import OpenAI from 'openai';
import { expect, test } from 'vitest';
import type { Store } from '../../../src/store/store.ts';
import { JobWaker, type WakeResult } from '../../../src/worker/wake-job.ts';

/** The result of an event when the API returns this response for its batch. */
async function wake(answer: Response): Promise<WakeResult> {
  const api = new OpenAI({ apiKey: 'test', maxRetries: 0, fetch: async () => answer });
  const waker = new JobWaker({ api, patience: 1, store: {} as Store, client: {} as Client });
  return await waker.wake('batch_1');
}

test('a batch that the API does not know, or whose metadata name no job, is not ours', async () => {
  const error = { message: 'No such batch.' };
  expect(await wake(Response.json({ error }, { status: 404 }))).toEqual({ result: 'not_ours' });
  expect(await wake(Response.json({ id: 'batch_1', status: 'completed' }))).toEqual({ result: 'not_ours' });
});

test.each<[title: string, answer: Response]>([
  ["a proxy's page", new Response('<html>Sign in</html>', { headers: { 'content-type': 'text/html' } })],
  ['another batch', Response.json({ id: 'batch_2', status: 'completed' })],
  ['an error', Response.json({ error: {} }, { status: 503 })],
])('the event fails, to be sent again, when the response is %s', async (_, answer) => {
  await expect(wake(answer)).rejects.toMatchObject({ type: 'ApiTrouble' });
});
