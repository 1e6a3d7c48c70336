import { expect, test } from 'vitest';
import { neverThrows } from '../../../src/core/never-throws.ts';

class Reporter {
  readonly name = 'reporter';
  private calls = 0;

  count(by: number): number {
    this.calls += by;
    return this.calls;
  }

  fail(): void {
    throw new Error('no');
  }

  async failLater(): Promise<void> {
    await Promise.reject(new Error('later'));
  }
}

test('calls are forwarded, and their errors are passed to the callback', async () => {
  const thrown: string[] = [];
  const quiet = neverThrows(new Reporter(), (method, error) =>
    thrown.push(`${method}: ${(error as Error).message}`),
  );
  expect(quiet.name).toBe('reporter');
  expect(quiet.count(2)).toBe(2);
  expect(quiet.count(3)).toBe(5);
  expect(() => quiet.fail()).not.toThrow();
  await expect(quiet.failLater()).resolves.toBeUndefined();
  expect(thrown).toEqual(['fail: no', 'failLater: later']);
});

test('a failure of the callback is ignored', () => {
  const quiet = neverThrows(new Reporter(), () => {
    throw new Error('the log is full');
  });
  expect(() => quiet.fail()).not.toThrow();
  expect(() => neverThrows(new Reporter()).fail()).not.toThrow();
});
