import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import stringWidth from 'string-width';
import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { Pace } from '../../../src/cli/pace.ts';
import { progressFrame, type FrameInput } from '../../../src/cli/progress-frame.ts';
import { jobProgress } from '../../support/job-progress.ts';

const now = Date.parse('2026-11-24T08:03:12.000Z');

function frame(
  more: Partial<FrameInput> = {},
  size: { columns?: number; rows?: number; hasColours?: boolean } = {},
): string[] {
  const input = { progress: jobProgress(), step: null, pace: new Pace(), now, watchedSince: now, ...more };
  return progressFrame(input, { columns: 80, rows: 24, hasColours: false, ...size });
}

/** A pace of 10 lines a second. */
function steadyPace(done: number): Pace {
  const pace = new Pace();
  for (let i = 10; i >= 0; i -= 1) pace.record(done - i * 100, now - i * 10_000);
  return pace;
}

test('a running job at 80 columns', () => {
  expect(frame({ pace: steadyPace(3_063) })).toEqual([
    'state     running',
    'build     ████████████████████████████  100 %  3,708 lines',
    'upload    ███████████████████████████░ 97.0 %  3,600 lines',
    'run       ██▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒░░░░░ 82.6 %  3,063 of 3,708, 10/s',
    'fetch     ██░░░░░░░░░░░░░░░░░░░░░░░░░░  8.1 %  299 answered, 3 failed',
    'assemble  ░░░░░░░░░░░░░░░░░░░░░░░░░░░░  0.0 %',
    'shards    2 of 10 done',
    'batches   6 in_progress, 1 validating',
    'tokens    13,101 in, 9,501 out',
    'cost      $0.0111 so far ($0.0223 without batches)',
    'time      3 min 12 s · about 2 min left',
  ]);
});

test('the documentation shows the frame', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/progress-and-report.md'), 'utf8');
  expect(page).toContain(frame({ pace: steadyPace(3_063) }).join('\n'));
});

test('shows bytes while the input is read, and while results are assembled', () => {
  const building = jobProgress({
    state: 'building',
    lines: 0,
    answered: 0,
    failed: 0,
    running: 0,
    uploaded: 0,
    batches: {},
    shards: { total: 0, waiting: 0, inFlight: 0, done: 0 },
    inputTokens: 0,
    outputTokens: 0,
  });
  expect(frame({ progress: building, step: { activity: 'buildShards', done: 2.5e9, of: 1e10 } })[1]).toMatch(
    /^build +█{7}░{21} 25.0 % {2}2.50 GB of 10.00 GB$/,
  );
  expect(frame({ progress: building })[1]).toMatch(/^build +░{28} {2}0.0 %$/);
  const assembling = jobProgress({ state: 'assembling', answered: 3_708, failed: 0, running: 0 });
  expect(
    frame({ progress: assembling, step: { activity: 'assembleResults', done: 5e5, of: 1e6 } })[5],
  ).toMatch(/^assemble +█{14}░{14} 50.0 % {2}0.5 MB of 1.0 MB$/);
});

test('a paused job has its reason, wrapped if necessary, and no estimate', () => {
  const reason =
    'HTTP 401: the API refuses the key of this worker, which may have been revoked: start a worker with another one, or resume the job when it is accepted again';
  const notices = ['the account is probed at growing intervals, up to 15 min; `resume` probes it at once'];
  const lines = frame({
    progress: jobProgress({ state: 'paused', reason, notices }),
    pace: steadyPace(3_063),
  });
  expect(lines.slice(0, 3)).toEqual([
    'state     paused: HTTP 401: the API refuses the key of this worker, which may',
    '          have been revoked: start a worker with another one, or resume the job',
    '          when it is accepted again',
  ]);
  expect(lines.join('\n')).toContain('note      the account is probed at growing intervals');
  expect(lines.join('\n')).not.toMatch(/left|\/s/);
});

test('a bar is full, and 100 %, only when nothing is missing', () => {
  const [, , , run, fetch] = frame({
    progress: jobProgress({ lines: 100_000_000, answered: 99_999_999, failed: 0, running: 0 }),
  });
  for (const line of [run, fetch]) expect(line).toMatch(/█{27}░ 99.9 %/);
});

test('a later round has its number, and its upload is counted in shards', () => {
  const lines = frame({
    progress: jobProgress({
      round: 2,
      uploaded: 131,
      shards: { total: 2, waiting: 1, inFlight: 1, done: 0 },
    }),
  });
  expect(lines[0]).toBe('state     running (round 2)');
  expect(lines[2]).toMatch(/^upload +█{14}░{14} 50.0 % {2}131 again$/);
});

test('values that a worker of version 0.1 does not send are left out', () => {
  const {
    startedAt: _,
    uploaded: __,
    costUsd: ___,
    costUsdWithoutBatch: ____,
    notices: _____,
    ...old
  } = jobProgress();
  const lines = frame({ progress: old as unknown as FrameInput['progress'], watchedSince: now - 7_000 });
  expect(lines.join('\n')).not.toMatch(/undefined|NaN|\$/);
  expect(lines.find((line) => line.startsWith('time'))).toBe('time      7 s');
});

const worst = jobProgress({
  lines: 100_000_000,
  answered: 12_345_678,
  failed: 1_234_567,
  running: 45_678_901,
  batches: { in_progress: 900, validating: 50, finalizing: 40, cancelling: 10 },
  reason: `${'語'.repeat(60)} ${'x'.repeat(300)}\u001b[2J\nrm`,
  notices: ['語'.repeat(200)],
  inputTokens: 18_000_000_000,
  outputTokens: 3_900_000_000,
  costUsd: 123_456.78,
  costUsdWithoutBatch: 246_913.56,
});

test.each([1, 5, 12, 20, 30, 40, 60, 80, 120, 200])('no line reaches the end of %d columns', (columns) => {
  for (const hasColours of [false, true]) {
    for (const progress of [jobProgress(), worst]) {
      const lines = frame({ progress, pace: steadyPace(3_063) }, { columns, rows: 50, hasColours });
      for (const line of lines) {
        expect(stringWidth(line), line).toBeLessThan(Math.max(2, columns));
        expect(stripVTControlCharacters(line)).not.toMatch(/\p{Cc}/u);
      }
    }
  }
});

test('colours do not change the text', () => {
  for (const progress of [jobProgress(), worst]) {
    const coloured = frame({ progress }, { hasColours: true });
    expect(coloured.join('')).toContain('\u001b[');
    expect(coloured.map((line) => stripVTControlCharacters(line))).toEqual(frame({ progress }));
  }
});

test.each([1, 2, 3, 5, 9, 10])('a terminal of %d rows does not scroll', (rows) => {
  const lines = frame({}, { rows });
  expect(lines.length).toBeLessThanOrEqual(Math.max(1, rows - 1));
  expect(lines[0]).toBe('state     running');
});
