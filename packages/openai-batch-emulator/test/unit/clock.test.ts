import { expect, it } from 'vitest';
import { createClock } from '../../src/clock.ts';

it('ends only the sleeps that are due when time is moved', async () => {
  const clock = createClock(0);
  const woken: string[] = [];
  const stop = new AbortController();
  const soon = clock.sleepUntil(clock.now() + 3_600_000, stop.signal).then(() => woken.push('an hour'));
  const late = clock
    .sleepUntil(clock.now() + 86_400_000 * 60, stop.signal)
    .then(() => woken.push('two months'));
  clock.advance(3_600_001);
  await soon;
  expect(woken).toEqual(['an hour']);
  stop.abort();
  await late;
  expect(woken).toEqual(['an hour', 'two months']);
});

it('does not sleep if the time has passed or the signal is aborted', async () => {
  const clock = createClock(0);
  await clock.sleepUntil(clock.now() - 1, new AbortController().signal);
  await clock.sleepUntil(Number.POSITIVE_INFINITY, AbortSignal.abort());
});
