import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ownIdentity, processStartTime } from '../../../src/temporal/process-identity.ts';
import { withLock } from '../../../src/temporal/start-lock.ts';

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'start-lock-'));
  path = join(folder, 'server.lock');
});

afterEach(() => rm(folder, { recursive: true }));

/** Runs `count` holders concurrently; returns the largest number that held the lock at the same time. */
async function crowd(count: number): Promise<number> {
  let inside = 0;
  let most = 0;
  const holders = Array.from({ length: count }, () =>
    withLock(path, async () => {
      inside += 1;
      most = Math.max(most, inside);
      await turn();
      inside -= 1;
    }),
  );
  await Promise.all(holders);
  return most;
}

test('one holder at a time has the lock', async () => {
  expect(await crowd(8)).toBe(1);
});

test('one process at a time takes over the lock of a dead holder', async () => {
  await writeFile(`${path}.4`, JSON.stringify({ pid: 999_999_999, startTime: 'long ago' }));
  expect(await crowd(8)).toBe(1);
});

test('a holder whose process id was reused is dead', async () => {
  await writeFile(`${path}.1`, JSON.stringify({ pid: process.pid, startTime: 'another time' }));
  expect(await withLock(path, async () => 'in')).toBe('in');
});

test('a damaged lock file does not block', async () => {
  await writeFile(`${path}.1`, '{"pid":');
  expect(await withLock(path, async () => 'in')).toBe('in');
});

test('waits for a running holder', async () => {
  const startTime = await processStartTime(process.pid);
  await writeFile(`${path}.1`, JSON.stringify({ pid: process.pid, startTime }));
  const order: string[] = [];
  const second = withLock(path, async () => order.push('second'));
  for (let i = 0; i < 20; i += 1) await turn();
  order.push('released');
  await writeFile(`${path}.1`, '{}');
  await second;
  expect(order).toEqual(['released', 'second']);
});

test('is released when the work throws', async () => {
  const failing = withLock(path, () => Promise.reject(new Error('no')));
  await expect(failing).rejects.toThrow('no');
  expect(await withLock(path, async () => 'in')).toBe('in');
});

test('leaves one small file, however often it was used', async () => {
  await crowd(3);
  expect(await readdir(folder)).toEqual(['server.lock.3']);
});

test('waits for a holder in another container while it sends heartbeats, and no longer', async () => {
  const self = await ownIdentity();
  const elsewhere = { ...self, pid: 999_999_999, place: { ...self.place, pids: 'pid:[1]' } };
  await writeFile(`${path}.1`, JSON.stringify(elsewhere));
  const order: string[] = [];
  const second = withLock(path, async () => order.push('second'));
  for (let i = 0; i < 20; i += 1) await turn();
  order.push('silent');
  await utimes(`${path}.1`, 1, 1);
  await second;
  expect(order).toEqual(['silent', 'second']);
  expect(await readdir(folder)).toEqual(['server.lock.2']);
});
