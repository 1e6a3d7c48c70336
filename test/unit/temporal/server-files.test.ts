import { mkdtemp, open, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  describeEmbeddedServer,
  ensureEmbeddedServer,
  stopEmbeddedServer,
} from '../../../src/temporal/embedded-server.ts';
import { hasCrashed } from '../../../src/temporal/keep-embedded-server.ts';
import { tryLock } from '../../../src/temporal/os-lock.ts';
import { ownIdentity, ownPlace, processStartTime } from '../../../src/temporal/process-identity.ts';
import {
  logSize,
  logTail,
  prepareServerFiles,
  readState,
  rotateLog,
  serverFiles,
  writeState,
  type ServerState,
} from '../../../src/temporal/server-files.ts';

let home: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'server-files-'));
});

afterEach(() => rm(home, { recursive: true }));

const state = { pid: 7, startTime: 'then', port: 1234, uiPort: 1235, cli: '/bin/temporal', stopped: false };

test('reads back the state it wrote', async () => {
  const files = await prepareServerFiles(home);
  await writeState(files, state);
  expect(await readState(files)).toEqual(state);
});

test.each([
  ['nothing', ''],
  ['half a file', '{"pid": 7, "star'],
  ['an invalid port', JSON.stringify({ ...state, port: 'x' })],
  ['an invalid process', JSON.stringify({ ...state, pid: -1 })],
])('a state file with %s counts as none', async (_what, text) => {
  const files = await prepareServerFiles(home);
  await writeFile(files.state, text);
  expect(await readState(files)).toBeUndefined();
});

test('a server has crashed if its process has ended without being stopped', async () => {
  const files = await prepareServerFiles(home);
  expect(await hasCrashed(files)).toBe(false);
  await writeState(files, state);
  expect(await hasCrashed(files)).toBe(true);
  await writeState(files, { ...state, stopped: true });
  expect(await hasCrashed(files)).toBe(false);
  const startTime = (await processStartTime(process.pid)) ?? '';
  await writeState(files, { ...state, pid: process.pid, startTime });
  expect(await hasCrashed(files)).toBe(false);
});

test('a home under another name is the same home', async () => {
  const files = await prepareServerFiles(home);
  await symlink(home, `${home}-link`);
  expect(await serverFiles(`${home}-link`)).toEqual(files);
  await rm(`${home}-link`);
});

test('a home that cannot be written is refused with its path and what to do', async () => {
  await writeFile(join(home, 'file'), '');
  await expect(ensureEmbeddedServer({ home: join(home, 'file') })).rejects.toMatchObject({
    code: 'store_unavailable',
    message: expect.stringMatching(/Cannot write to .*file.*DURABLE_BATCH_HOME/) as string,
  });
});

test('describing the server of a home without one changes nothing', async () => {
  expect(await describeEmbeddedServer({ home: join(home, 'none') })).toBeUndefined();
  await expect(readFile(join(home, 'none'))).rejects.toThrow('ENOENT');
});

test('a log larger than 10 MB is renamed', async () => {
  const files = await prepareServerFiles(home);
  await writeFile(files.log, 'x');
  await rotateLog(files);
  expect(await readFile(files.log, 'utf8')).toBe('x');
  await truncate(files.log, 10 * 1024 * 1024 + 1);
  await rotateLog(files);
  await expect(readFile(files.log)).rejects.toThrow('ENOENT');
});

test('the tail of the log begins at the start of the server, and ends with the message of a panic', async () => {
  const files = await prepareServerFiles(home);
  expect(await logTail(files, await logSize(files))).toBe('');
  await writeFile(files.log, 'panic: of another day\n');
  const since = await logSize(files);
  const lines = Array.from({ length: 30 }, (_, i) => `line ${i}`);
  await writeFile(files.log, `panic: of another day\n${lines.join('\n')}\n`);
  expect(await logTail(files, since)).toBe(lines.slice(-15).join('\n'));
  const panic = 'panic: failed assigning ephemeral port: in use';
  await writeFile(files.log, `panic: of another day\n${panic}\n\n${lines.join('\n')}\n`);
  expect(await logTail(files, since)).toBe(panic);
});

test('the tail of the log contains the cause of a panic, however long its stack', async () => {
  const files = await prepareServerFiles(home);
  // As version 1.9.1 wrote it when its port was taken between the choice and the start.
  const messages = [
    'level=ERROR msg="Failed to start gRPC listener" error="listen tcp 127.0.0.1:33655: bind: address already in use"',
    'panic: runtime error: invalid memory address or nil pointer dereference',
  ];
  const stack = Array.from({ length: 100 }, (_, i) => `go.temporal.io/server.frame${i}()`);
  await writeFile(files.log, `${[...messages, ...stack].join('\n')}\n`);
  expect(await logTail(files)).toBe(messages.join('\n'));
});

/** A server of another container, which has a network of its own. */
async function stateElsewhere(): Promise<ServerState> {
  const place = { ...(await ownPlace()), pids: 'pid:[1]', network: 'net:[1]', host: 'pod-b' };
  return { ...state, place };
}

test('a second server on a database that another container has open is never started', async () => {
  const files = await prepareServerFiles(home);
  const elsewhere = await stateElsewhere();
  await writeState(files, elsewhere);
  expect(await readState(files)).toEqual(elsewhere);
  const running = await open(files.running, 'a');
  expect(await tryLock(running)).toBe('ours');
  const refusal = {
    code: 'temporal_unavailable',
    message: expect.stringMatching(/runs on pod-b \(process 7 there\).*TEMPORAL_ADDRESS/) as string,
  };
  await expect(ensureEmbeddedServer({ home })).rejects.toMatchObject(refusal);
  await expect(stopEmbeddedServer({ home })).rejects.toMatchObject(refusal);
  expect(await describeEmbeddedServer({ home })).toBeUndefined();
  await running.close();
  // Closing the file has released the lock.
  expect(await stopEmbeddedServer({ home })).toBe(false);
});

test('without locks, a server of another container counts as running until its state is deleted', async () => {
  const path = process.env['PATH'];
  const files = await prepareServerFiles(home);
  await writeState(files, await stateElsewhere());
  process.env['PATH'] = home; // no `flock` there
  try {
    await expect(ensureEmbeddedServer({ home })).rejects.toThrow(
      `certainly no longer runs, delete ${files.state}`,
    );
  } finally {
    process.env['PATH'] = path;
  }
});

test('a server of another container with the same loopback has crashed when its port is closed', async () => {
  const files = await prepareServerFiles(home);
  const { place } = await stateElsewhere();
  const listening = createServer().listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const { port } = listening.address() as AddressInfo;
  await writeState(files, {
    ...(await ownIdentity()),
    place,
    port,
    uiPort: 1,
    cli: '',
    stopped: false,
  });
  expect(await hasCrashed(files)).toBe(false);
  listening.close();
  await once(listening, 'close');
  expect(await hasCrashed(files)).toBe(true);
});
