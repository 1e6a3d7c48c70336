import { defaultPayloadConverter } from '@temporalio/common';
import { expect, test } from 'vitest';
import { retriesOf, stepBytesOf } from '../../../src/client/pending-steps.ts';

type Description = Parameters<typeof stepBytesOf>[0];

function described(...pendingActivities: unknown[]): Description {
  return { pendingActivities } as unknown as Description;
}

function beating(name: string, details: unknown): unknown {
  const payloads = [defaultPayloadConverter.toPayload(details)];
  return { activityType: { name }, attempt: 1, heartbeatDetails: { payloads } };
}

test('tells how far the step is that works through a file', () => {
  const job = described(
    { activityType: { name: 'pollBatches' } },
    beating('buildShards', { done: 5, of: 9 }),
  );
  expect(stepBytesOf(job)).toEqual({ activity: 'buildShards', done: 5, of: 9 });
});

test.each([
  ['no beat has come', { activityType: { name: 'buildShards' } }],
  ['its size is not known yet', beating('assembleResults', { done: 0, of: 0 })],
  ['beats tell something else', beating('buildShards', 'half of it')],
  ['beats tell nothing', beating('buildShards', null)],
  [
    'a beat cannot be read',
    { activityType: { name: 'buildShards' }, heartbeatDetails: { payloads: [{ metadata: {}, data: null }] } },
  ],
])('tells nothing when %s', (_, activity) => {
  expect(stepBytesOf(described(activity))).toBeNull();
  expect(stepBytesOf(described())).toBeNull();
});

test('steps that have failed are told with their reason', () => {
  const failing = { activityType: { name: 'uploadInput' }, attempt: 3, lastFailure: { message: 'HTTP 503' } };
  expect(retriesOf(described(beating('buildShards', null), failing))).toEqual([
    { activity: 'uploadInput', attempt: 3, reason: 'HTTP 503' },
  ]);
});
