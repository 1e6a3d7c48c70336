import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { lockJob } from '../../../src/cli/job-lock.ts';
import { isBatchError } from '../../../src/core/errors.ts';
import { ownIdentity } from '../../../src/temporal/process-identity.ts';
import { TempFolder } from '../../support/temp-folder.ts';

test('the error of a second command for the same job names the process that runs it', async () => {
  using home = new TempFolder();
  await using _ = await lockJob(home.path, 'job');
  await expect(lockJob(home.path, 'job')).rejects.toMatchObject({
    code: 'job_conflict',
    message: expect.stringContaining(`process ${process.pid}`) as string,
    details: { jobId: 'job' },
  });
});

test('different jobs are locked independently', async () => {
  using home = new TempFolder();
  await using _ = await lockJob(home.path, 'one');
  await using __ = await lockJob(home.path, 'two');
  expect(readdirSync(home.at('run')).sort()).toEqual(['one.lock', 'two.lock']);
});

test('a released lock is free, and leaves no file', async () => {
  using home = new TempFolder();
  for (let i = 0; i < 2; i += 1) {
    await using _ = await lockJob(home.path, 'job');
  }
  expect(readdirSync(home.at('run'))).toEqual([]);
});

test.each([
  ['of a process that has ended', JSON.stringify({ pid: 999_999_999, startTime: 'long ago' })],
  [
    'whose process id is used by another process',
    JSON.stringify({ pid: process.pid, startTime: 'another time' }),
  ],
  ['that was written in part', '{"pid":'],
])('a lock %s is taken over', async (_, text) => {
  using home = new TempFolder();
  await (await lockJob(home.path, 'job'))[Symbol.asyncDispose]();
  writeFileSync(home.at('run', 'job.lock'), text);
  await using lock = await lockJob(home.path, 'job');
  expect(lock).toBeDefined();
});

test.each([
  ['a free job', null],
  ['a job whose process has ended', JSON.stringify({ pid: 999_999_999, startTime: 'long ago' })],
])('one of ten concurrent commands gets %s', async (_, left) => {
  using home = new TempFolder();
  mkdirSync(home.at('run'));
  if (left !== null) writeFileSync(home.at('run', 'job.lock'), left);
  const locks = await Promise.allSettled(Array.from({ length: 10 }, () => lockJob(home.path, 'job')));
  const refused = locks.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
  const conflicts = refused.filter(({ reason }) => isBatchError(reason) && reason.code === 'job_conflict');
  expect([locks.length - refused.length, conflicts.length]).toEqual([1, 9]);
});

test('a job that runs in another container is refused while that container sends heartbeats', async () => {
  using home = new TempFolder();
  mkdirSync(home.at('run'));
  const { place, ...process } = await ownIdentity();
  const there = { ...process, pid: 7, place: { ...place, pids: 'pid:[1]', host: 'pod-b' } };
  const file = home.at('run', 'job.lock');
  writeFileSync(file, JSON.stringify(there));
  const beat = setInterval(() => utimesSync(file, new Date(), new Date()), 20);
  try {
    await expect(lockJob(home.path, 'job')).rejects.toMatchObject({
      code: 'job_conflict',
      message: expect.stringContaining('process 7 of pod-b') as string,
    });
  } finally {
    clearInterval(beat);
  }
  utimesSync(file, 1, 1);
  await using lock = await lockJob(home.path, 'job');
  expect(lock).toBeDefined();
});

test('a lock is renewed for processes of other containers', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  try {
    using home = new TempFolder();
    await using _ = await lockJob(home.path, 'job');
    const file = home.at('run', 'job.lock');
    const text = readFileSync(file, 'utf8');
    utimesSync(file, 1, 1);
    vi.advanceTimersByTime(2_000);
    await expect.poll(() => statSync(file).mtimeMs).toBeGreaterThan(1_000);
    expect(readFileSync(file, 'utf8')).toBe(text);
  } finally {
    vi.useRealTimers();
  }
});
