import { describe, expect, test } from 'vitest';
import { toVisibilityQuery, type JobFilter } from '../../../src/client/job-filter.ts';

const jobs = "WorkflowType = 'batchJob'";

describe('a filter as a query', () => {
  test.each<[filter: JobFilter, condition: string]>([
    [{ status: 'CANCELLED' }, "ExecutionStatus = 'Canceled'"],
    [{ status: 'TIMED_OUT' }, "ExecutionStatus = 'TimedOut'"],
    [{ state: 'paused' }, "DurableBatchStatus = 'paused' AND ExecutionStatus = 'Running'"],
    [{ state: 'done' }, "DurableBatchStatus = 'done'"],
    [{ state: 'failed' }, "(DurableBatchStatus = 'failed' OR ExecutionStatus = 'Failed')"],
    [{ state: 'cancelled' }, "(DurableBatchStatus = 'cancelled' OR ExecutionStatus = 'Canceled')"],
    [{ account: 'team a', model: 'm' }, "DurableBatchAccount = 'team a' AND DurableBatchModels = 'm'"],
    [{ schedule: 's', batchId: 'b' }, "DurableBatchSchedule = 's' AND DurableBatchBatchIds = 'b'"],
    [{ startedAfter: new Date(0) }, "StartTime >= '1970-01-01T00:00:00.000Z'"],
    [{ startedBefore: '2026-11-24T09:00:00+01:00' }, "StartTime < '2026-11-24T08:00:00.000Z'"],
    [{ query: "A = 'x' OR B = 'y'" }, "(A = 'x' OR B = 'y')"],
    [{ account: "x' OR WorkflowType = 'y" }, "DurableBatchAccount = 'x\\' OR WorkflowType = \\'y'"],
    [{ account: "x\\' OR 1 = '1" }, "DurableBatchAccount = 'x\\\\\\' OR 1 = \\'1'"],
  ])('%o', (filter, condition) => {
    expect(toVisibilityQuery(filter)).toBe(`${jobs} AND ${condition}`);
  });

  test('without fields matches all jobs', () => {
    expect(toVisibilityQuery({})).toBe(jobs);
    expect(toVisibilityQuery({ limit: 3 })).toBe(jobs);
  });
});

test.each<[filter: object, message: string]>([
  [
    { status: 'Running' },
    'Option --status must be one of RUNNING, COMPLETED, FAILED, CANCELLED, TERMINATED, TIMED_OUT, got "Running".',
  ],
  [
    { state: 'asleep' },
    'Option --state must be one of building, running, paused, cancelling, assembling, done, cancelled, failed, got "asleep".',
  ],
  [{ account: ' ' }, 'Option --account must be a name, got " ".'],
  [{ batchId: 7 }, 'Option --batch-id must be a name, got "7".'],
  [
    { startedAfter: 'yesterday' },
    'Option --started-after must be a time such as 2026-11-24T08:00:00Z, got "yesterday".',
  ],
  [{ query: '' }, 'Option --query must be a condition, got "".'],
  [{ limit: 0 }, 'Option --limit must be a whole number from 1, got "0".'],
  [{ limit: 1.5 }, 'Option --limit must be a whole number from 1, got "1.5".'],
])('%o is refused', (filter, message) => {
  expect(() => toVisibilityQuery(filter as JobFilter)).toThrow(
    expect.objectContaining({ code: 'bad_option', message }) as Error,
  );
});
