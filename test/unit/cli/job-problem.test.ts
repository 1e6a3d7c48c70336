import { expect, test } from 'vitest';
import { ProblemReporter, problemOf } from '../../../src/cli/job-problem.ts';
import type { JobStatus } from '../../../src/client/index.ts';
import { jobProgress } from '../../support/job-progress.ts';

function status(changes: Partial<JobStatus> = {}): JobStatus {
  return {
    jobId: 'job',
    status: 'RUNNING',
    state: 'running',
    progress: jobProgress({}),
    failure: null,
    retries: [],
    step: null,
    report: null,
    listed: null,
    account: null,
    schedule: null,
    ...changes,
  };
}

const retry = (attempt: number, activity: string = 'uploadInput') => ({
  activity,
  attempt,
  reason: 'HTTP 503',
  waits: false,
});

const waiting = { activity: 'buildShards', attempt: 4, reason: 'Job a still works.', waits: true };

test.each<[what: string, changes: Partial<JobStatus>, lines: RegExp | null]>([
  ['nothing', {}, null],
  ['that no worker responds', { progress: null }, /^No worker responds: start one/],
  ['nothing of a job that has ended', { progress: null, status: 'COMPLETED' }, null],
  [
    'why it is paused',
    { progress: jobProgress({ state: 'paused', reason: 'HTTP 401\n' }) },
    /paused: HTTP 401$/,
  ],
  [
    'a step that is retried',
    { retries: [retry(3)] },
    /^Step uploadInput failed and is retried automatically: HTTP 503$/,
  ],
  ['a step that waits', { retries: [waiting] }, /^Step buildShards waits: Job a still works\.$/],
  ['a failure before a wait', { retries: [waiting, retry(3)] }, /retried automatically: HTTP 503$/],
  ['the first of many steps', { retries: [retry(3), retry(4), retry(1, 'createBatch')] }, / \(and 2 more\)$/],
])('reports %s', (_, changes, lines) => {
  const problem = problemOf(status(changes));
  if (lines === null) expect(problem).toBeNull();
  else expect(problem).toMatch(lines);
});

test('each problem is reported once, and that the job continues', () => {
  const lines: string[] = [];
  const reporter = new ProblemReporter((text) => lines.push(text));
  reporter.report(status());
  reporter.report(status({ retries: [retry(2)] }));
  reporter.report(status({ retries: [retry(3), retry(2)] }));
  reporter.report(status());
  reporter.report(status({ progress: null }));
  reporter.report(status({ status: 'COMPLETED' }));
  expect(lines).toEqual([
    'Step uploadInput failed and is retried automatically: HTTP 503',
    'The job continues.',
    expect.stringContaining('No worker responds'),
  ]);
});
