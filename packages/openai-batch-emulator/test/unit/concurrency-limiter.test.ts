import { expect, test } from 'vitest';
import { createConcurrencyLimiter } from '../../src/concurrency-limiter.ts';

test('the last step of something comes before works that have not begun', async () => {
  const gate = createConcurrencyLimiter(1);
  const done: string[] = [];
  const live = async (name: string): Promise<void> => {
    await gate(async () => void done.push(`${name} runs`));
    await gate(async () => void done.push(`${name} ends`), 'next');
  };
  await Promise.all(['a', 'b', 'c'].map(live));
  expect(done).toEqual(['a runs', 'a ends', 'b runs', 'b ends', 'c runs', 'c ends']);
});

test('at most so many works run at a time, those that fail included', async () => {
  const gate = createConcurrencyLimiter(2);
  let running = 0;
  let most = 0;
  const work = async (fails: boolean): Promise<void> => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setTimeout(resolve, 1));
    running -= 1;
    if (fails) throw new Error('a work that fails');
  };
  const ends = await Promise.allSettled(
    [true, false, true, false, false].map((fails) => gate(() => work(fails))),
  );
  expect(most).toBe(2);
  expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
});
