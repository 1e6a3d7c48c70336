import { expect, test } from 'vitest';
import { listJobs } from '../../../src/cli/render-list.ts';
import type { JobSummary } from '../../../src/client/index.ts';

const now = new Date('2026-11-26T12:00:00Z');

function job(jobId: string, more: Partial<JobSummary> = {}): JobSummary {
  const progress = { lines: 3_708, answered: 3_705, failed: 3, costUsd: 0.0111 } as JobSummary['progress'];
  return {
    jobId,
    status: 'RUNNING',
    state: 'running',
    startedAt: new Date('2026-11-26T03:09:07.276Z'),
    closedAt: null,
    progress,
    account: null,
    schedule: null,
    models: [],
    ...more,
  };
}

test('a list of jobs with derived ids fits 80 columns', () => {
  const jobs = [
    job('reviews-d32ec1e0177b-7d2288'),
    job('plain-d32ec1e0177b', { state: 'done', startedAt: new Date('2025-12-31T23:59:00Z') }),
    job('old', { progress: null }),
  ];
  const text = listJobs(jobs, 80, now);
  expect(text.split('\n')).toEqual([
    'job                          state    answered     failed  cost     started UTC',
    'reviews-d32ec1e0177b-7d2288  running  3,705/3,708  3       $0.0111  11-26 03:09',
    'plain-d32ec1e0177b           done     3,705/3,708  3       $0.0111  2025-12-31',
    'old                          running                                11-26 03:09',
  ]);
  expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
});

test('longer ids are on their own lines, uncut', () => {
  const id = 'x'.repeat(100);
  expect(listJobs([job(id)], 80, now).split('\n')).toEqual([
    'job',
    '  state    answered     failed  cost     started UTC',
    id,
    '  running  3,705/3,708  3       $0.0111  11-26 03:09',
  ]);
});

test('an empty list is reported', () => {
  expect(listJobs([], 80)).toBe('No jobs.');
});
