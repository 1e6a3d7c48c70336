import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { lockJob } from '../../../src/cli/job-lock.ts';
import { isBatchError } from '../../../src/core/errors.ts';
import { TempFolder } from '../../support/temp-folder.ts';

test('a second command on the same job is told which process has it', async () => {
  using home = new TempFolder();
  await using _ = await lockJob(home.path, 'job');
  await expect(lockJob(home.path, 'job')).rejects.toMatchObject({
    code: 'job_conflict',
    message: expect.stringContaining(`process ${process.pid}`) as string,
    details: { jobId: 'job' },
  });
});

test('jobs do not keep each other waiting', async () => {
  using home = new TempFolder();
  await using _ = await lockJob(home.path, 'one');
  await using __ = await lockJob(home.path, 'two');
  expect(readdirSync(home.at('run')).sort()).toEqual(['one.lock', 'two.lock']);
});

test('a lock that was let go is free, and leaves nothing', async () => {
  using home = new TempFolder();
  for (let i = 0; i < 2; i += 1) {
    await using _ = await lockJob(home.path, 'job');
  }
  expect(readdirSync(home.at('run'))).toEqual([]);
});

test.each([
  ['of a process that is gone', JSON.stringify({ pid: 999_999_999, startTime: 'long ago' })],
  [
    'whose process id went to another process',
    JSON.stringify({ pid: process.pid, startTime: 'another time' }),
  ],
  ['that was half written', '{"pid":'],
])('a lock %s is taken over', async (_, text) => {
  using home = new TempFolder();
  await (await lockJob(home.path, 'job'))[Symbol.asyncDispose]();
  writeFileSync(home.at('run', 'job.lock'), text);
  await using lock = await lockJob(home.path, 'job');
  expect(lock).toBeDefined();
});

test.each([
  ['a free job', null],
  ['a job whose process is gone', JSON.stringify({ pid: 999_999_999, startTime: 'long ago' })],
])('of ten commands at once that find %s one gets it', async (_, left) => {
  using home = new TempFolder();
  mkdirSync(home.at('run'));
  if (left !== null) writeFileSync(home.at('run', 'job.lock'), left);
  const locks = await Promise.allSettled(Array.from({ length: 10 }, () => lockJob(home.path, 'job')));
  const refused = locks.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
  const conflicts = refused.filter(({ reason }) => isBatchError(reason) && reason.code === 'job_conflict');
  expect([locks.length - refused.length, conflicts.length]).toEqual([1, 9]);
});
