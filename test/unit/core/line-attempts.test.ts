import { expect, test } from 'vitest';
import { afterAttempt } from '../../../src/core/line-attempts.ts';

test('a line is sent again while it has attempts; idle attempts have their own limit, others have none', () => {
  const two = { attempts: 2 };
  const before = { sent: 1, charged: 1, idle: 0 };
  expect(afterAttempt({ sent: 0, charged: 0, idle: 0 }, 'attempt', two)).toEqual({ ...before, again: true });
  expect(afterAttempt(before, 'attempt', two)).toEqual({ sent: 2, charged: 2, idle: 0, again: false });
  expect(afterAttempt(before, 'idle', two)).toEqual({ sent: 2, charged: 1, idle: 1, again: true });
  const often = { sent: 20, charged: 1, idle: 19 };
  expect(afterAttempt(often, 'idle', two)).toEqual({ sent: 21, charged: 1, idle: 20, again: false });
  const answers = { attempts: 2, answerAttempts: 2 };
  const wrong = { ...before, sent: 2, wrong: 1 };
  expect(afterAttempt(before, 'answer', answers)).toEqual({ ...wrong, again: true });
  expect(afterAttempt(wrong, 'idle', answers)).toEqual({ ...wrong, sent: 3, idle: 1, again: true });
  expect(afterAttempt(wrong, 'answer', answers)).toEqual({ ...wrong, sent: 3, wrong: 2, again: false });
  expect(afterAttempt({ ...often, sent: 900 }, 'nothing', two)).toMatchObject({
    sent: 901,
    idle: 19,
    again: true,
  });
});
