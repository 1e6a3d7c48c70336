import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Client } from '@temporalio/client';
import { optionalTsToMs } from '@temporalio/common/lib/time.js';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  connectClient,
  describeEmbeddedServer,
  ensureEmbeddedServer,
  keepEmbeddedServer,
  stopEmbeddedServer,
  type EmbeddedServer,
} from '../../src/temporal/index.ts';
import { hasCrashed } from '../../src/temporal/keep-embedded-server.ts';
import { isAlive, processStartTime, type ProcessIdentity } from '../../src/temporal/process-identity.ts';
import { serverFiles } from '../../src/temporal/server-files.ts';

const run = promisify(execFile);

/** The compiled module: a second process of Node 20 cannot load TypeScript. */
let compiled: string;
let home: string;

beforeAll(async () => {
  compiled = await mkdtemp(join(tmpdir(), 'temporal-compiled-'));
  const root = resolve(import.meta.dirname, '../..');
  await symlink(join(root, 'node_modules'), join(compiled, 'node_modules'));
  await writeFile(join(compiled, 'package.json'), '{"type":"module"}');
  const compilerOptions = {
    outDir: compiled,
    rootDir: join(root, 'src'),
    typeRoots: [join(root, 'node_modules/@types')],
    isolatedDeclarations: false,
    declaration: false,
    declarationMap: false,
  };
  const config = {
    extends: join(root, 'tsconfig.build.json'),
    compilerOptions,
    include: [join(root, 'src/temporal')],
  };
  await writeFile(join(compiled, 'tsconfig.json'), JSON.stringify(config));
  await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', compiled]);
});

afterAll(() => rm(compiled, { recursive: true }));

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'temporal-home-'));
});

afterEach(async () => {
  await stopEmbeddedServer({ home });
  await rm(home, { recursive: true });
});

/** `ensureEmbeddedServer` as another command would call it. */
async function ensureElsewhere(): Promise<EmbeddedServer> {
  const script = `
    const { ensureEmbeddedServer } = await import(${JSON.stringify(join(compiled, 'temporal/index.js'))});
    console.log(JSON.stringify(await ensureEmbeddedServer({ home: ${JSON.stringify(home)} })));`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script]);
  return JSON.parse(stdout) as EmbeddedServer;
}

async function withClient<T>(address: string, use: (client: Client) => Promise<T>): Promise<T> {
  const connection = await connectClient({
    kind: 'embedded',
    connection: { address },
    namespace: 'default',
  });
  try {
    return await use(new Client({ connection }));
  } finally {
    await connection.close();
  }
}

async function killAndWait(pid: number): Promise<void> {
  const identity: ProcessIdentity = { pid, startTime: (await processStartTime(pid)) ?? '' };
  process.kill(pid, 'SIGKILL');
  await expect.poll(() => isAlive(identity), { interval: 10 }).toBe(false);
}

const stateFile = (): string => join(home, 'temporal', 'server.json');

test('starts once, and later calls of this and of other processes share it', async () => {
  const first = await ensureEmbeddedServer({ home });
  expect(first.started).toBe(true);
  expect((await fetch(first.uiUrl)).status).toBe(200);
  const shared = { ...first, started: false };
  expect(await ensureEmbeddedServer({ home })).toEqual(shared);
  expect(await ensureElsewhere()).toEqual(shared);
  expect(await describeEmbeddedServer({ home })).toEqual(shared);
});

test('keeps running after the command that started it has ended', async () => {
  const started = await ensureElsewhere();
  expect(started.started).toBe(true);
  expect(await ensureEmbeddedServer({ home })).toEqual({ ...started, started: false });
});

test('keeps closed workflows for 90 days', async () => {
  const { address } = await ensureEmbeddedServer({ home });
  const { config } = await withClient(address, (client) =>
    client.workflowService.describeNamespace({ namespace: 'default' }),
  );
  expect(optionalTsToMs(config?.workflowExecutionRetentionTtl)).toBe(90 * 24 * 3600 * 1000);
});

test('simultaneous calls, in two processes and within one, start one server', async () => {
  const servers = await Promise.all([
    ensureElsewhere(),
    ensureElsewhere(),
    ensureEmbeddedServer({ home }),
    ensureEmbeddedServer({ home }),
  ]);
  expect(new Set(servers.map((server) => server.pid)).size).toBe(1);
  expect(servers.filter((server) => server.started)).toHaveLength(1);
});

test('after kill -9 it restarts on the same ports with the same workflows', async () => {
  const first = await ensureEmbeddedServer({ home });
  await withClient(first.address, (client) =>
    client.workflow.start('nothing', { taskQueue: 'nobody', workflowId: 'before-the-crash' }),
  );
  await killAndWait(first.pid);
  expect(await describeEmbeddedServer({ home })).toBeUndefined();

  const second = await ensureEmbeddedServer({ home });
  expect(second).toMatchObject({ started: true, address: first.address, uiUrl: first.uiUrl });
  expect(second.pid).not.toBe(first.pid);
  await withClient(second.address, async (client) => {
    const ids = async (): Promise<string[]> => {
      const found: string[] = [];
      for await (const { workflowId } of client.workflow.list()) found.push(workflowId);
      return found;
    };
    await expect.poll(ids, { timeout: 10_000 }).toEqual(['before-the-crash']);
  });
});

test('a kept server is restarted after a crash', async () => {
  const first = await ensureEmbeddedServer({ home });
  const address = async (): Promise<string | undefined> => (await describeEmbeddedServer({ home }))?.address;
  const logged: string[] = [];
  {
    await using _keeper = keepEmbeddedServer({ home, log: (message) => logged.push(message) });
    await killAndWait(first.pid);
    await expect.poll(address, { timeout: 10_000 }).toBe(first.address);
  }
  expect(logged).toHaveLength(1);
});

test('uses other ports when its own are in use', async () => {
  const first = await ensureEmbeddedServer({ home });
  await killAndWait(first.pid);
  const portHolder = createServer().listen(Number(first.address.split(':')[1]), '127.0.0.1');
  await once(portHolder, 'listening');
  try {
    const second = await ensureEmbeddedServer({ home });
    expect(second.address).not.toBe(first.address);
    expect(second.uiUrl).toBe(first.uiUrl);
  } finally {
    portHolder.close();
  }
});

test('a lock whose holder was killed does not block', async () => {
  await mkdir(join(home, 'temporal'));
  const dead = { pid: 999_999_999, startTime: 'long ago' };
  await writeFile(join(home, 'temporal', 'server.lock.1'), JSON.stringify(dead));
  expect((await ensureEmbeddedServer({ home })).started).toBe(true);
});

test('a process that reuses the id of the dead server is neither mistaken for it nor stopped', async () => {
  const first = await ensureEmbeddedServer({ home });
  await killAndWait(first.pid);
  const bystander = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  try {
    const state = JSON.parse(await readFile(stateFile(), 'utf8')) as object;
    await writeFile(stateFile(), JSON.stringify({ ...state, pid: bystander.pid }));
    expect(await describeEmbeddedServer({ home })).toBeUndefined();
    expect(await stopEmbeddedServer({ home })).toBe(false);
    expect((await ensureEmbeddedServer({ home })).started).toBe(true);
    expect(bystander.exitCode ?? bystander.signalCode).toBeNull();
  } finally {
    bystander.kill('SIGKILL');
  }
});

test('a running server without a state file is adopted', async () => {
  const first = await ensureEmbeddedServer({ home });
  await rm(stateFile());
  expect(await ensureEmbeddedServer({ home })).toEqual({ ...first, started: false });
});

test('stops on request, and returns whether a server ran', async () => {
  const { pid } = await ensureEmbeddedServer({ home });
  expect(await stopEmbeddedServer({ home })).toBe(true);
  expect(await processStartTime(pid)).toBeUndefined();
  expect(await describeEmbeddedServer({ home })).toBeUndefined();
  expect(await hasCrashed(await serverFiles(home))).toBe(false);
  expect(await stopEmbeddedServer({ home })).toBe(false);
});

test('the error of a server that ends at once quotes the end of its log', async () => {
  const fake = join(home, 'temporal-fake');
  await writeFile(fake, '#!/bin/sh\necho "database is from a newer version"\nexit 3\n', { mode: 0o755 });
  process.env['TEMPORAL_CLI_PATH'] = fake;
  try {
    await expect(ensureEmbeddedServer({ home })).rejects.toMatchObject({
      code: 'temporal_unavailable',
      message: expect.stringMatching(/ended with code 3[^]*database is from a newer version/) as string,
    });
  } finally {
    delete process.env['TEMPORAL_CLI_PATH'];
  }
});
