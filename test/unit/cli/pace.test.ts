import { expect, test } from 'vitest';
import { Pace, timeLeft } from '../../../src/cli/pace.ts';

/** A pace with these numbers of lines, recorded 10 s apart. */
function paceOf(...done: number[]): Pace {
  const pace = new Pace();
  done.forEach((lines, i) => pace.record(lines, i * 10_000));
  return pace;
}

test('is unknown before the number of lines has changed three times', () => {
  expect(paceOf().rate(0)).toBeNull();
  expect(paceOf(0, 0, 0, 0, 0, 0).rate(60_000)).toBeNull();
  expect(paceOf(0, 100, 200).rate(20_000)).toBeNull();
  expect(paceOf(0, 100, 200, 300).rate(30_000)).toBe(10);
});

test('estimates the remaining time, counting down between two changes', () => {
  const pace = paceOf(0, 100, 200, 300);
  expect(pace.leftMs(1_300, 30_000)).toBe(100_000);
  expect(pace.leftMs(1_300, 34_000)).toBe(96_000);
});

test('uses the last changes, not those of an hour ago', () => {
  const slow = Array.from({ length: 50 }, (_, i) => i);
  const fast = Array.from({ length: 12 }, (_, i) => 1_000 + i * 100);
  expect(paceOf(...slow, ...fast).rate(610_000)).toBe(10);
});

test.each([
  ['the number of lines has not changed for long', paceOf(0, 100, 200, 300), 10_000, 61_000],
  ['all lines have run and are only fetched', paceOf(0, 100, 200, 300), 300, 30_000],
  ['it would be days', paceOf(0, 1, 2, 3), 1_000_000, 30_000],
  ['lines are sent again: the next round has its own pace', paceOf(0, 100, 200, 300, 250), 10_000, 40_000],
])('there is no estimate when %s', (_, pace, lines, now) => {
  expect(pace.leftMs(lines, now)).toBeNull();
});

test.each([
  [0, 'less than a minute left'],
  [60_000, 'less than a minute left'],
  [61_000, 'about 2 min left'],
  [3_540_000, 'about 59 min left'],
  [3_600_000, 'about 1 h left'],
  [3_700_000, 'about 1 h 10 min left'],
  [86_400_000, 'about 24 h left'],
])('%d ms are %s', (ms, text) => {
  expect(timeLeft(ms)).toBe(text);
});
