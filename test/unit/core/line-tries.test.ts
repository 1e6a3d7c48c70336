import { expect, test } from 'vitest';
import { afterTry } from '../../../src/core/line-tries.ts';

test('a line goes again while it has attempts; idle tries have a budget of their own, others have none', () => {
  const before = { sent: 1, charged: 1, idle: 0 };
  expect(afterTry({ sent: 0, charged: 0, idle: 0 }, 'attempt', 2)).toEqual({ ...before, again: true });
  expect(afterTry(before, 'attempt', 2)).toEqual({ sent: 2, charged: 2, idle: 0, again: false });
  expect(afterTry(before, 'idle', 2)).toEqual({ sent: 2, charged: 1, idle: 1, again: true });
  const often = { sent: 20, charged: 1, idle: 19 };
  expect(afterTry(often, 'idle', 2)).toEqual({ sent: 21, charged: 1, idle: 20, again: false });
  expect(afterTry({ ...often, sent: 900 }, 'nothing', 2)).toMatchObject({ sent: 901, idle: 19, again: true });
});
