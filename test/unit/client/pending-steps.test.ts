import { defaultPayloadConverter } from '@temporalio/common';
import { describe, expect, test } from 'vitest';
import type { JobProgress } from '../../../src/core/progress.ts';
import { retriesOf, stepBytesOf, withHeartbeat } from '../../../src/client/pending-steps.ts';

type Description = Parameters<typeof stepBytesOf>[0];

function described(...pendingActivities: unknown[]): Description {
  return { pendingActivities } as unknown as Description;
}

function beating(name: string, details: unknown): unknown {
  const payloads = [defaultPayloadConverter.toPayload(details)];
  return { activityType: { name }, attempt: 1, heartbeatDetails: { payloads } };
}

test('returns the progress of the step that processes a file', () => {
  const job = described(
    { activityType: { name: 'pollBatches' } },
    beating('buildShards', { done: 5, of: 9 }),
  );
  expect(stepBytesOf(job)).toEqual({ activity: 'buildShards', done: 5, of: 9 });
});

test.each([
  ['there is no heartbeat', { activityType: { name: 'buildShards' } }],
  ['its size is unknown', beating('assembleResults', { done: 0, of: 0 })],
  ['heartbeats have other details', beating('buildShards', 'half of it')],
  ['heartbeats have no details', beating('buildShards', null)],
  [
    'a beat cannot be read',
    { activityType: { name: 'buildShards' }, heartbeatDetails: { payloads: [{ metadata: {}, data: null }] } },
  ],
])('returns null when %s', (_, activity) => {
  expect(stepBytesOf(described(activity))).toBeNull();
  expect(stepBytesOf(described())).toBeNull();
});

test('failed steps are returned with their reason', () => {
  const failing = { activityType: { name: 'uploadInput' }, attempt: 3, lastFailure: { message: 'HTTP 503' } };
  expect(retriesOf(described(beating('buildShards', null), failing))).toEqual([
    { activity: 'uploadInput', attempt: 3, reason: 'HTTP 503', waits: false },
  ]);
});

test('a step that waits for another job is marked as waiting', () => {
  const applicationFailureInfo = { type: 'EarlierRunUnfinished' };
  const lastFailure = { message: 'Job a still works.', applicationFailureInfo };
  expect(retriesOf(described({ activityType: { name: 'buildShards' }, attempt: 2, lastFailure }))).toEqual([
    { activity: 'buildShards', attempt: 2, reason: 'Job a still works.', waits: true },
  ]);
});

describe('the counts of batches in flight', () => {
  const progress = {
    running: 3,
    table: [
      { id: 'r1-00001', batchId: 'batch_1', completed: 3, failed: 0 },
      { id: 'r1-00002', batchId: 'batch_2', completed: 0, failed: 0 },
      { id: 'r1-00003', batchId: null, completed: 0, failed: 0 },
    ],
  } as unknown as JobProgress;
  const shards = { 'r1-00001': [5, 1], 'r1-00003': [7, 7] };

  test('are those of the last heartbeat', () => {
    const job = described(
      beating('watchBatches', { ran: 4, shards: {} }), // given up: a later one has started
      beating('watchBatches', { ran: 6, shards }),
    );
    const { running, table } = withHeartbeat(progress, job);
    expect(running).toBe(6);
    expect(table.map(({ completed, failed }) => [completed, failed])).toEqual([
      [5, 1],
      [0, 0],
      [0, 0],
    ]);
  });

  test.each([
    ['there is none', { activityType: { name: 'watchBatches' } }],
    ['it has no details', beating('watchBatches', null)],
    ['it has other details', beating('watchBatches', { ran: 'many', shards })],
    ['its shards are invalid', beating('watchBatches', { ran: 6, shards: { 'r1-00001': 5 } })],
    ['it is from another step', beating('pollBatches', { ran: 6, shards })],
  ])('are unchanged when the heartbeat is missing or invalid: %s', (_, activity) => {
    expect(withHeartbeat(progress, described(activity))).toBe(progress);
    expect(withHeartbeat(progress, described())).toBe(progress);
  });
});
