import { expect, test } from 'vitest';
import { SharedLook } from '../../../src/client/shared-look.ts';

test('whoever asks at the same time sees the same look, and a young one is given again', async () => {
  let looks = 0;
  const look = new SharedLook(async () => {
    looks += 1;
    await new Promise((resolve) => void setImmediate(resolve));
    return looks;
  });
  expect(await Promise.all([look.seen(0), look.seen(0), look.seen(1_000)])).toEqual([1, 1, 1]);
  expect(await look.seen(60_000)).toBe(1);
  expect(await look.seen(0)).toBe(2);
});

test('a look that failed is told to all who waited, and is not kept', async () => {
  let looks = 0;
  const look = new SharedLook(async () => {
    looks += 1;
    if (looks === 1) throw new Error('away');
    return looks;
  });
  const both = await Promise.allSettled([look.seen(0), look.seen(0)]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await look.seen(60_000)).toBe(2);
});
