import { expect, test } from 'vitest';
import { createConcurrencyLimiter } from '../../src/concurrency-limiter.ts';

test('a task with the order next runs before tasks that wait', async () => {
  const limiter = createConcurrencyLimiter(1);
  const done: string[] = [];
  const run = async (name: string): Promise<void> => {
    await limiter(async () => void done.push(`${name} runs`));
    await limiter(async () => void done.push(`${name} ends`), 'next');
  };
  await Promise.all(['a', 'b', 'c'].map(run));
  expect(done).toEqual(['a runs', 'a ends', 'b runs', 'b ends', 'c runs', 'c ends']);
});

test('at most the limit of tasks runs at a time, failed ones included', async () => {
  const limiter = createConcurrencyLimiter(2);
  let running = 0;
  let most = 0;
  const task = async (fails: boolean): Promise<void> => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setTimeout(resolve, 1));
    running -= 1;
    if (fails) throw new Error('a task that fails');
  };
  const ends = await Promise.allSettled(
    [true, false, true, false, false].map((fails) => limiter(() => task(fails))),
  );
  expect(most).toBe(2);
  expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
});
