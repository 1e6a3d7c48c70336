import { expect, test } from 'vitest';
import { SharedRead } from '../../../src/client/shared-read.ts';

test('concurrent callers share one read, and a recent result is returned again', async () => {
  let reads = 0;
  const shared = new SharedRead(async () => {
    reads += 1;
    await new Promise((resolve) => void setImmediate(resolve));
    return reads;
  });
  expect(await Promise.all([shared.read(0), shared.read(0), shared.read(1_000)])).toEqual([1, 1, 1]);
  expect(await shared.read(60_000)).toBe(1);
  expect(await shared.read(0)).toBe(2);
});

test('a failed read rejects for all waiting callers, and is not cached', async () => {
  let reads = 0;
  const shared = new SharedRead(async () => {
    reads += 1;
    if (reads === 1) throw new Error('away');
    return reads;
  });
  const both = await Promise.allSettled([shared.read(0), shared.read(0)]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await shared.read(60_000)).toBe(2);
});
