import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import {
  isAlive,
  livenessOf,
  ownIdentity,
  ownPlace,
  processStartTime,
  sharesNetwork,
} from '../../../src/temporal/process-identity.ts';

test('identifies a process by its id and start time', async () => {
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

test('a process of another container, machine or boot is elsewhere', async () => {
  const self = await ownIdentity();
  const place = await ownPlace();
  expect(await livenessOf(self)).toBe('alive');
  expect(await livenessOf({ ...self, pid: 999_999_999 })).toBe('dead');
  expect(await livenessOf({ ...self, place: { ...place, pids: 'pid:[1]' } })).toBe('elsewhere');
  expect(await livenessOf({ ...self, place: { ...place, boot: 'another', host: 'b' } })).toBe('elsewhere');
  // What version 0.1 wrote.
  expect(await livenessOf({ pid: self.pid, startTime: self.startTime })).toBe('alive');
});

test('containers of one pod share the loopback, machines never do', async () => {
  const place = await ownPlace();
  expect(sharesNetwork({ ...place, pids: 'pid:[1]', host: 'b' }, place)).toBe(true);
  expect(sharesNetwork({ ...place, network: 'net:[1]' }, place)).toBe(false);
  expect(sharesNetwork({ ...place, boot: 'another' }, place)).toBe(false);
});
