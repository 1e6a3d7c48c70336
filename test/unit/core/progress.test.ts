import { expect, test } from 'vitest';
import { endStateOf, exitCodeOfEnd, isEndState, JobState } from '../../../src/core/progress.ts';

test.each<[state: JobState, lines: number, answered: number, failed: number, cancelled: number]>([
  ['done', 3, 3, 0, 0],
  ['done', 3, 1, 2, 0],
  ['done', 0, 0, 0, 0],
  ['failed', 3, 0, 3, 0],
  ['cancelled', 3, 0, 0, 3],
  ['cancelled', 3, 2, 0, 1],
  ['cancelled', 3, 0, 2, 1],
])('%s: %d lines, %d answered, %d failed, %d cancelled', (state, lines, answered, failed, cancelled) => {
  expect(endStateOf({ lines, answered, failed, cancelled })).toBe(state);
});

test('the other states are not end states', () => {
  expect(Object.values(JobState).filter((state) => isEndState(state))).toEqual([
    'done',
    'cancelled',
    'failed',
  ]);
});

test.each([
  [0, 0, 0],
  [3, 2, 0],
  [1, 0, 1],
  [1, 2, 1],
])('the exit code is %d if %d lines failed and %d were cancelled', (code, failed, cancelled) => {
  expect(exitCodeOfEnd({ failed, cancelled })).toBe(code);
});
