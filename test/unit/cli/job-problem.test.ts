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

test.each<[what: string, changes: Partial<JobStatus>, said: RegExp | null]>([
  ['nothing', {}, null],
  ['that no worker is there', { progress: null }, /^No worker answers: start one/],
  ['nothing of a job that has ended', { progress: null, status: 'COMPLETED' }, null],
  [
    'why it is paused',
    { progress: jobProgress({ state: 'paused', reason: 'HTTP 401\n' }) },
    /paused: HTTP 401$/,
  ],
  ['what is tried again', { retries: [retry(3)] }, /again by itself, uploadInput: HTTP 503$/],
  ['what is waited for', { retries: [waiting] }, /^A step waits, buildShards: Job a still works\.$/],
  ['a failure before a wait', { retries: [waiting, retry(3)] }, /by itself, uploadInput: HTTP 503$/],
  ['of many steps the first', { retries: [retry(3), retry(4), retry(1, 'createBatch')] }, / \(and 2 more\)$/],
])('tells %s', (_, changes, said) => {
  const trouble = problemOf(status(changes));
  if (said === null) expect(trouble).toBeNull();
  else expect(trouble).toMatch(said);
});

test('each trouble is told once, and that the job goes on', () => {
  const said: string[] = [];
  const teller = new ProblemReporter((text) => said.push(text));
  teller.see(status());
  teller.see(status({ retries: [retry(2)] }));
  teller.see(status({ retries: [retry(3), retry(2)] }));
  teller.see(status());
  teller.see(status({ progress: null }));
  teller.see(status({ status: 'COMPLETED' }));
  expect(said).toEqual([
    'A step fails and is tried again by itself, uploadInput: HTTP 503',
    'The job goes on.',
    expect.stringContaining('No worker answers'),
  ]);
});
