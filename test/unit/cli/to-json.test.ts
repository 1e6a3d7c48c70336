import { expect, test } from 'vitest';
import { toJson } from '../../../src/cli/to-json.ts';

test('keys are spelt as in report.json, at every depth', () => {
  const status = {
    jobId: 'a',
    progress: { costUsdWithoutBatch: null, table: [{ batchId: 'b' }] },
    started_at: 1,
  };
  expect(toJson(status)).toBe(
    '{"job_id":"a","progress":{"cost_usd_without_batch":null,"table":[{"batch_id":"b"}]},"started_at":1}',
  );
});

test('values, and keys that are values of the API, are unchanged', () => {
  const value = { errors: { rateLimit: 2 }, batches: { inProgress: 1 }, at: new Date(0), model: 'aB' };
  expect(toJson(value)).toBe(
    '{"errors":{"rateLimit":2},"batches":{"inProgress":1},"at":"1970-01-01T00:00:00.000Z","model":"aB"}',
  );
});
