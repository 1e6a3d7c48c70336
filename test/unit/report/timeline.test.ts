import { expect, test } from 'vitest';
import { countInFlight, segmentsOf } from '../../../src/report/timeline.ts';
import { reportBatch } from '../../support/report-data.ts';

const start = reportBatch(0).createdAt;
const minutes = (n: number): number => start + n * 60_000;
const times = (inProgressAt: number | null, finalizingAt: number | null, endedAt: number | null) =>
  reportBatch(0, { inProgressAt, finalizingAt, endedAt });

test.each([
  [
    'that ran through',
    times(minutes(1), minutes(5), minutes(6)),
    [
      ['validating', 0, 1],
      ['running', 1, 5],
      ['finalizing', 5, 6],
    ],
  ],
  ['refused at validation', times(null, null, minutes(2)), [['validating', 0, 2]]],
  [
    'that expired',
    times(minutes(1), null, minutes(9)),
    [
      ['validating', 0, 1],
      ['running', 1, 9],
    ],
  ],
  ['of which nothing is known', times(null, null, null), [['unknown', 0, 0]]],
  ['whose times contradict each other', times(minutes(9), minutes(1), minutes(6)), [['validating', 0, 6]]],
  ['that took no second', times(start, start, start), []],
] as const)('a batch %s', (_, batch, segments) => {
  const found = segmentsOf(batch).map(({ kind, from, to }) => [
    kind,
    (from - start) / 60_000,
    (to - start) / 60_000,
  ]);
  expect(found).toEqual(segments);
});

test('batches in flight are counted per step, and none is left at the end', () => {
  const batches = [times(start, minutes(20), minutes(20)), times(start, minutes(10), minutes(10))];
  const { running } = countInFlight(batches, start, 40 * 60_000);
  expect([running[0], running[59], running[60], running[119], running[120], running.at(-1)]).toEqual([
    2, 2, 1, 1, 0, 0,
  ]);
});

test('a batch that took no time, at the very end, is counted', () => {
  const late = reportBatch(0, {
    createdAt: minutes(40),
    inProgressAt: minutes(40),
    finalizingAt: null,
    endedAt: minutes(41),
  });
  const { running } = countInFlight([late], start, 41 * 60_000);
  expect(Math.max(...running)).toBe(1);
});
