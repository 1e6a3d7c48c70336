import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LogView } from '../../../src/cli/log-view.ts';
import type { JobProgress } from '../../../src/core/progress.ts';
import { jobProgress } from '../../support/job-progress.ts';

const start = Date.parse('2026-11-24T08:00:00.000Z');

/** The log of a job with this progress, in seconds after the start. */
function logOf(...shown: [second: number, progress: Partial<JobProgress>][]): string[] {
  const lines: string[] = [];
  let now = start;
  const view = new LogView(
    (line) => lines.push(line),
    () => now,
  );
  for (const [second, progress] of shown) {
    now = start + second * 1_000;
    view.show(jobProgress(progress));
  }
  return lines;
}

test('a line has a timestamp, the state of the job, and its numbers', () => {
  expect(logOf([12, {}])).toEqual([
    '2026-11-24T08:00:12Z running · round 1 · 299 of 3,708 answered, 3 failed, 2,761 more done at the API · shards 2/10 · batches: 6 in_progress, 1 validating · tokens: 13,101 in, 9,501 out · cost: $0.0111 so far ($0.0223 without batches)\n',
  ]);
});

test('the cost of a job that has ended is final', () => {
  expect(logOf([0, { state: 'done' }])[0]).toContain('cost: $0.0111 ($0.0223 without batches)');
});

test('the documentation shows such a line', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/progress-and-report.md'), 'utf8');
  expect(page).toContain(logOf([12, {}])[0]);
});

test('there is one line a minute while only numbers change, and none while nothing changes', () => {
  const seconds = Array.from({ length: 600 }, (_, i) => i);
  const changing = logOf(...seconds.map((s) => [s, { answered: s }] as [number, Partial<JobProgress>]));
  expect(changing.map((line) => line.slice(11, 20))).toEqual(
    Array.from({ length: 10 }, (_, i) => `08:0${i}:00Z`),
  );
  expect(logOf(...seconds.map((s) => [s, {}] as [number, Partial<JobProgress>]))).toHaveLength(1);
});

test.each<[string, Partial<JobProgress>]>([
  ['state', { state: 'paused' }],
  ['reason', { reason: 'HTTP 401' }],
  ['round', { round: 2 }],
  ['notices', { notices: ['1 batch is overdue'] }],
])('another %s is logged immediately', (_, change) => {
  expect(logOf([0, {}], [1, change], [2, change], [3, {}])).toHaveLength(3);
});

test('a reason of several lines, or with control characters, is one line of text', () => {
  const [line] = logOf([0, { state: 'paused', reason: 'wait\nfor \u001b[2Jme\u202e\u2028now' }]);
  expect(line).toContain('paused: wait for  [2Jme now · ');
  expect(line!.split('\n')).toHaveLength(2);
});
