import { MockActivityEnvironment } from '@temporalio/testing';
import OpenAI from 'openai';
import { expect, test } from 'vitest';
import { hostActivities, type JobMetrics } from '../../../src/worker/index.ts';
import { TempFolder } from '../../support/temp-folder.ts';

test("a client with the SDK's own retries is used without them", async () => {
  using folder = new TempFolder();
  const calls: string[] = [];
  const api = new OpenAI({
    apiKey: 'test',
    maxRetries: 5,
    fetch: async (input) => {
      calls.push(new URL(input instanceof Request ? input.url : input).pathname);
      return new Response('{}', { status: 500, headers: { 'retry-after-ms': '1' } });
    },
  });
  const metrics = {
    apiCalled: () => undefined,
    stepFailed: () => undefined,
  } as Partial<JobMetrics> as JobMetrics;
  await using host = await hostActivities({ home: folder.path, api, threads: 1, metrics });
  const check = async (): Promise<void> => await host.activities.checkAccount();
  await expect(new MockActivityEnvironment().run(check)).rejects.toMatchObject({ type: 'ApiTrouble' });
  expect(calls).toEqual(['/v1/batches', '/v1/files']); // when the list fails, a file is read instead
});
