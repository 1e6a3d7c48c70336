import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { isAlive, processStartTime } from '../../../src/temporal/process-identity.ts';

test('knows a process by its id and the time it began', async () => {
  const startTime = (await processStartTime(process.pid)) ?? '';
  expect(await isAlive({ pid: process.pid, startTime })).toBe(true);
  expect(await isAlive({ pid: process.pid, startTime: `${startTime}0` })).toBe(false);
});

test('a process that was killed is dead', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  const pid = child.pid ?? 0;
  const startTime = (await processStartTime(pid)) ?? '';
  expect(await isAlive({ pid, startTime })).toBe(true);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(await isAlive({ pid, startTime })).toBe(false);
});
