import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { APIUserAbortError } from 'openai';
import { expect, test } from 'vitest';
import { failureInterceptor } from '../../../src/worker/failure-interceptor.ts';
import type { JobMetrics } from '../../../src/worker/index.ts';

/** Returns the kinds of failures that are counted when a step throws this error. */
async function countedFor(error: Error): Promise<string[]> {
  const counted: string[] = [];
  const metrics = {
    stepFailed: (_: string, kind: string) => counted.push(kind),
  } as Partial<JobMetrics> as JobMetrics;
  const environment = new MockActivityEnvironment(undefined, {
    interceptors: [failureInterceptor(metrics)],
    logger: new DefaultLogger('ERROR', () => undefined),
  });
  const step = async (): Promise<never> => {
    throw error;
  };
  await expect(environment.run(step)).rejects.toBe(error);
  return counted;
}

const failure = (type: string): Error => ApplicationFailure.retryable('A step failed.', type);

test.each<[what: string, error: Error, kinds: string[]]>([
  ['our own failure', failure('ApiTrouble'), ['ApiTrouble']],
  ['a failure of another type', failure('Unknown'), ['other']],
  ['a wait for a thread', failure('WorkerBusy'), []],
  ['a wait for an earlier job', failure('EarlierRunUnfinished'), []],
  ['a cancel', new CancelledFailure('given up'), []],
  ['an abort of the SDK', new APIUserAbortError(), []],
])('%s is counted by its kind, or not at all', async (_what, error, kinds) => {
  expect(await countedFor(error)).toEqual(kinds);
});
