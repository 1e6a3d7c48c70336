import { expect, test } from 'vitest';
import { byStatus, firstListing, parseListed, toListed } from '../../../src/core/job-listing.ts';
import type { JobProgress } from '../../../src/core/progress.ts';

test('the same batches are listed the same, in whatever order they were counted', () => {
  expect(byStatus({ validating: 1, in_progress: 2 })).toEqual(byStatus({ in_progress: 2, validating: 1 }));
});

test('of progress only what is listed goes into the memo: no reason, no ids', () => {
  const progress = {
    ...firstListing,
    jobId: 'job',
    reason: 'why',
    notices: ['note'],
    batches: { validating: 1, in_progress: 2 },
  } as unknown as JobProgress;
  expect(toListed(progress, '2026-11-24T08:00:00.000Z')).toEqual({
    ...firstListing,
    batches: { in_progress: 2, validating: 1 },
    oldestSentAt: '2026-11-24T08:00:00.000Z',
  });
});

test.each([undefined, null, 'running', {}, { state: 'running' }, { ...firstListing, lines: 'many' }])(
  'a memo that is no listing is null: %j',
  (memo) => {
    expect(parseListed(memo)).toBeNull();
  },
);

test('a listing is read as it was written', () => {
  expect(parseListed(JSON.parse(JSON.stringify(firstListing)))).toEqual(firstListing);
});
