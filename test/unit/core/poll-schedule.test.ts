import { expect, test } from 'vitest';
import { nextPollDelay } from '../../../src/core/poll-schedule.ts';

test.each<[title: string, smallestMs: number, quietMs: number, nearEnd: boolean, delayMs: number]>([
  ['right after a change, as often as allowed', 2_000, 0, false, 2_000],
  ['a tenth of the quiet time', 2_000, 100_000, false, 10_000],
  ['at least once a minute', 2_000, 86_400_000, false, 60_000],
  ['every ten seconds near the end', 2_000, 86_400_000, true, 10_000],
  ['soon after a change near the end', 2_000, 30_000, true, 3_000],
  ['never more often than the given interval', 300_000, 0, true, 300_000],
  ['never more often than the given interval, after any quiet time', 300_000, 86_400_000, false, 300_000],
  ['whole milliseconds', 50, 1_234, false, 123],
])('polls %s', (_, smallestMs, quietMs, nearEnd, delayMs) => {
  expect(nextPollDelay({ smallestMs, quietMs, nearEnd })).toBe(delayMs);
});
