import { execFileSync } from 'node:child_process';
import { open } from 'node:fs/promises';
import { Piscina } from 'piscina';
import { expect, test, vi } from 'vitest';
import { ByteCounter } from '../../../../src/file-work/byte-counter.ts';
import { StuckReads } from '../../../../src/file-work/threads/stuck-reads.ts';
import { TempFolder } from '../../../support/temp-folder.ts';

const filename = new URL('../../../support/stuck-thread.mjs', import.meta.url).href;

test('a read that does not end does not block other work, and occupies only one thread', async () => {
  using folder = new TempFolder();
  const pipe = folder.at('pipe');
  execFileSync('mkfifo', [pipe]);
  const pool = new Piscina({ filename, minThreads: 1, maxThreads: 1 });
  const stuck = new StuckReads(pool, 50);
  const counter = new ByteCounter();
  const read = (): Promise<unknown> =>
    stuck.watch(pipe, counter, (signal) => pool.run({ pipe, counter: counter.shared }, { signal }));

  await expect(read()).rejects.toThrow(`${pipe}: a read of the file does not end`);
  expect(await pool.run(undefined, { name: 'answer' })).toBe('done');
  const threads = [...pool.threads];
  await expect(read()).rejects.toThrow('does not end');
  expect([...pool.threads]).toEqual(threads); // the second one has not even started

  await (await open(pipe, 'w')).close(); // the mount is available again
  await stuck.ended();
  expect(await stuck.watch(pipe, new ByteCounter(), async () => 'read')).toBe('read');
  await pool.destroy();
});

test('a slow file is read to its end while its reads end', async () => {
  vi.useFakeTimers();
  const pool = new Piscina({ filename, minThreads: 0 });
  const counter = new ByteCounter();
  const turns = new BigInt64Array(counter.shared, 16);
  let end: (text: string) => void = () => undefined;
  const ended = new Promise<string>((resolve) => (end = resolve));
  let given = new AbortController().signal;
  const reading = new StuckReads(pool, 50).watch('input', counter, async (signal) => {
    given = signal;
    return await ended;
  });
  for (const turn of [1n, 3n, 4n, 4n, 5n]) {
    turns[0] = turn; // odd during a read
    vi.advanceTimersByTime(50);
  }
  end('read');
  expect(await reading).toBe('read');
  expect(given.aborted).toBe(false);
  vi.useRealTimers();
  await pool.destroy();
});
