import { expect, test } from 'vitest';
import {
  byStatus,
  firstListing,
  parseListed,
  shownState,
  toListed,
  type ListedProgress,
} from '../../../src/core/job-listing.ts';
import type { JobProgress, JobState } from '../../../src/core/progress.ts';

test('the listing of the same batches does not depend on the order in which they were counted', () => {
  expect(byStatus({ validating: 1, in_progress: 2 })).toEqual(byStatus({ in_progress: 2, validating: 1 }));
});

test('the memo has only the listed fields of progress: no reason, no ids', () => {
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
  'a memo that is not a listing is parsed as null: %j',
  (memo) => {
    expect(parseListed(memo)).toBeNull();
  },
);

test('a listing is parsed unchanged', () => {
  expect(parseListed(JSON.parse(JSON.stringify(firstListing)))).toEqual(firstListing);
});

test.each<[state: JobState, counts: Partial<ListedProgress>]>([
  ['done', { lines: 10, answered: 1, failed: 9 }],
  ['cancelled', { lines: 10, answered: 1, failed: 8 }],
  ['failed', { lines: 10, answered: 0, failed: 10 }],
])(
  'the end state of a job of an earlier version, listed as `done`, is derived from its counts: %s',
  (state, counts) => {
    expect(parseListed({ ...firstListing, ...counts, state: 'done' })?.state).toBe(state);
    expect(parseListed({ ...firstListing, ...counts, state: 'running' })?.state).toBe('running');
  },
);

test.each<[server: string, own: JobState | null, shown: string]>([
  ['RUNNING', 'paused', 'paused'],
  ['RUNNING', null, 'running'],
  ['COMPLETED', 'cancelled', 'cancelled'],
  ['COMPLETED', null, 'completed'],
  ['TERMINATED', 'running', 'terminated'],
  ['FAILED', 'running', 'failed'],
])('if the workflow is %s and the job reports %s, the state is %s', (server, own, shown) => {
  expect(shownState(server, own)).toBe(shown);
});
