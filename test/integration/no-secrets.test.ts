import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from '@temporalio/client';
import proto from '@temporalio/proto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startEmulator, type Emulator, type FaultRule } from 'openai-batch-emulator';
import { connectClient, resolveTemporalTarget, stopEmbeddedServer } from '../../src/temporal/index.ts';

const cli = join(import.meta.dirname, '../../dist/cli/main.js');
const workerCode = new URL('../../dist/worker/index.js', import.meta.url).href;
const folder = mkdtempSync(join(tmpdir(), 'durable-batch-secrets-'));
const home = join(folder, 'home');
const DEADLINE_MS = 300_000;

/** Secrets that may appear nowhere; each has a marker of its own. */
const secret = {
  key: 'sk-MARKED-KEY-8d1f',
  url: 'MARKED-URL-TOKEN-77aa',
  password: 'MARKED-PASSWORD-51c0',
  prompt: 'MARKED-PROMPT-c0ffee',
  id: 'MARKED-CUSTOM-ID-42',
  /** Short: a JSON parser quotes ten characters of what it cannot read. */
  broken: 'QZ-9X7-KV',
} as const;

let emulator: Emulator;
let gateway: Server;
let gatewayUrl: string;
const children = new Set<ChildProcess>();
/** Everything that a process of ours has written, with a name for each source. */
const written: { what: string; text: string }[] = [];

/** A proxy before the API: its address holds a token, and some of its replies are 200 with a body that is not JSON. */
function startGateway(): Promise<void> {
  let reads = 0;
  gateway = createServer((request, response) => {
    const path = request.url!.replace(`/${secret.url}`, '');
    if (request.method === 'GET' && /^\/v1\/(batches|files)\/[^/]+$/.test(path)) {
      reads += 1;
      if (reads % 4 === 2) {
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(secret.broken);
        return;
      }
    }
    const target = new URL(path, emulator.url);
    const headers = Object.fromEntries(
      Object.entries(request.headers).filter(
        ([name, value]) => typeof value === 'string' && !['connection', 'host'].includes(name),
      ),
    ) as Record<string, string>;
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = chunks.length === 0 ? null : Buffer.concat(chunks);
      forward(target, { method: request.method!, headers, body }, response).catch(() => response.destroy());
    });
  });
  return new Promise((resolve) => {
    gateway.listen(0, '127.0.0.1', () => {
      gatewayUrl = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}/${secret.url}/v1`;
      resolve();
    });
  });
}

async function forward(target: URL, call: RequestInit, response: ServerResponse): Promise<void> {
  const answer = await fetch(target, call);
  const bytes = Buffer.from(await answer.arrayBuffer());
  const type = answer.headers.get('content-type');
  response.writeHead(answer.status, {
    'content-length': bytes.length,
    ...(type === null ? {} : { 'content-type': type }),
  });
  response.end(bytes);
}

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

function start(args: string[], env: NodeJS.ProcessEnv = {}): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      OPENAI_API_KEY: secret.key,
      OPENAI_BASE_URL: gatewayUrl,
      DURABLE_BATCH_HOME: home,
      DURABLE_BATCH_PATIENCE: '0.01',
      ...env,
    },
  });
  children.add(child);
  const what = args.slice(-4).join(' ').slice(-120);
  const streams = { out: '', err: '' };
  child.stdout.on('data', (chunk) => (streams.out += String(chunk)));
  child.stderr.on('data', (chunk) => (streams.err += String(chunk)));
  const ended = once(child, 'close').then(([code]) => {
    children.delete(child);
    written.push({ what: `standard output of ${what}`, text: streams.out });
    written.push({ what: `standard error of ${what}`, text: streams.err });
    return { code: code as number | null, ...streams };
  });
  return { child, ended };
}

/** The line of `run` for a refused shard: the only place that shows the API's text, which may quote a prompt. */
const refusedLine = /^refused {4}shard .*$/gm;

/** The ids of failed lines, which only the commands that report a job's end show. */
const shownId = new RegExp(`(?<=^(failed)? +line \\d+, custom_id "|"id":")${secret.id} \\d+(?=")`, 'gm');

const run = async (args: string[], env?: NodeJS.ProcessEnv): Promise<Ended> =>
  await start([cli, ...args], env).ended;

async function until(condition: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + DEADLINE_MS;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error('The condition was not met in time.');
    await delay(100);
  }
}

const batches = async (): Promise<number> => {
  const response = await fetch(new URL('/emulator/ledger', emulator.url));
  return ((await response.json()) as { batches: number }).batches;
};

/** Adds a rule; returns what removes it. */
async function addFault(rule: FaultRule): Promise<() => Promise<void>> {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify(rule);
  const added = await fetch(new URL('/emulator/faults', emulator.url), { method: 'POST', headers, body });
  if (!added.ok) throw new Error('The emulator does not take this rule.');
  const [{ id }] = (await added.json()) as [{ id: string }];
  return async () => {
    const removed = await fetch(new URL(`/emulator/faults/${id}`, emulator.url), { method: 'DELETE' });
    if (!removed.ok) throw new Error('The emulator does not remove this rule.');
  };
}

/** A worker that logs as much as it can. */
const talkativeWorker = `
  const { installRuntime, startWorker } = await import(${JSON.stringify(workerCode)});
  installRuntime('info');
  const target = JSON.parse(process.env['TARGET']);
  const worker = await startWorker({ target, home: process.env['DURABLE_BATCH_HOME'], taskQueue: 'durable-batch', patience: 0.01 });
  process.once('SIGTERM', () => void worker.close());
  await worker.stopped;
  process.exit();
`;

function* filesUnder(path: string): Generator<string> {
  for (const name of readdirSync(path)) {
    const inner = join(path, name);
    if (statSync(inner).isDirectory()) yield* filesUnder(inner);
    else yield inner;
  }
}

/** The secrets that these bytes contain. */
function secretsIn(bytes: Uint8Array | string): string[] {
  const buffer = Buffer.from(bytes as Uint8Array);
  return Object.entries(secret)
    .filter(([, mark]) => buffer.includes(mark))
    .map(([name]) => name);
}

beforeAll(async () => {
  emulator = await startEmulator({
    lifecycle: {
      mode: 'timed',
      validatingMs: 50,
      inProgressMs: 800,
      perLineMs: 1,
      finalizingMs: 20,
      cancellingMs: 50,
    },
    faults: [
      // The server's error messages quote what was sent, as the API's do.
      {
        on: 'call',
        call: 'files.create',
        nth: 2,
        fault: { kind: 'status', status: 500, body: 'html', message: secret.prompt },
      },
      {
        on: 'call',
        call: 'batches.list',
        nth: 2,
        fault: {
          kind: 'status',
          status: 429,
          message: `${secret.prompt} ${secret.id}`,
          retryAfterSeconds: 1,
        },
      },
      {
        on: 'line',
        customId: '3',
        executions: null,
        fault: {
          kind: 'status',
          status: 400,
          code: `bad ${secret.prompt}`,
          message: `Not this: ${secret.prompt}`,
        },
      },
      {
        on: 'line',
        customId: '5',
        executions: null,
        fault: { kind: 'error_body', code: 'x', message: secret.prompt },
      },
    ],
  });
  await startGateway();
});

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await stopEmbeddedServer({ home });
  gateway.close();
  await emulator.close();
  rmSync(folder, { recursive: true, force: true });
});

test('neither key nor address, prompt, id or answer is in any history, log, report, status or error message', async () => {
  const line = (i: number): string =>
    JSON.stringify({
      custom_id: `${secret.id} ${i}`,
      body: { model: 'gpt-5-mini', messages: [{ role: 'user', content: `${secret.prompt} ${i}` }] },
    });
  const lines = Array.from({ length: 40 }, (_, i) => line(i + 1));
  lines[9] = `{"custom_id":"${secret.id} 10","body":{"messages":"${secret.prompt}`;
  lines[19] = `{"custom_id":"${secret.id} 20","url":"/v1/${secret.prompt}","body":{"model":"m"}}`;
  const input = join(folder, 'input.jsonl');
  writeFileSync(input, lines.join('\n'));
  const out = join(folder, 'out');
  const job = [
    '--job',
    'marked',
    '--shard-lines',
    '8',
    '--in-flight',
    '2',
    '--poll',
    '0.1',
    '--attempts',
    '2',
    '--skip-bad-lines',
  ];

  // The first process is killed while it works.
  const first = start([cli, 'run', input, '--out', out, ...job]);
  await until(async () => (await batches()) >= 2);
  first.child.kill('SIGKILL');
  await first.ended;
  // Longer than the job waits before it probes again: each `status` must find it paused.
  const acceptKey = await addFault({
    on: 'call',
    call: 'batches.create',
    fault: { kind: 'status', status: 401, message: `Incorrect API key ${secret.key} for ${secret.prompt}` },
  });

  const target = await resolveTemporalTarget({ home });
  const connection = await connectClient(target);
  const client = new Client({ connection, namespace: target.namespace });
  try {
    const worker = start(['--input-type=module', '-e', talkativeWorker], { TARGET: JSON.stringify(target) });
    const second = start([cli, 'run', input, '--out', out, ...job, '--no-worker', '--json']);
    const handle = client.workflow.getHandle('marked');
    // It pauses for the refused key, and its reason does not quote the server.
    await until(async () => (await run(['status', 'marked', '--json'])).out.includes('HTTP 401'));
    expect(
      secretsIn(JSON.stringify(await handle.query('__temporal_workflow_metadata'))),
      'current details',
    ).toEqual([]);
    await run(['status', 'marked']);
    await acceptKey();
    await run(['resume', 'marked']);
    const ended = await second.ended;
    expect(ended.code).toBe(3);
    expect(ended.out).toMatch(shownId);
    await run(['status', 'marked', '--json']);
    await run(['list', '--json']);

    // A job whose only shard the API refuses permanently, and commands that fail.
    await addFault({
      on: 'call',
      call: 'files.create',
      fault: { kind: 'status', status: 400, message: secret.prompt, code: 'invalid_file' },
    });
    const good = join(folder, 'good.jsonl');
    writeFileSync(good, `${line(1)}\n`);
    const failed = await run(['run', good, '--out', join(folder, 'failed'), '--no-worker']);
    expect(failed.code).toBe(3);
    expect(failed.err, "the API's message, on the terminal of run").toMatch(refusedLine);
    expect(secretsIn(failed.err)).toContain('prompt');
    expect((await run(['run', input, '--out', join(folder, 'bad'), '--no-worker'])).code).toBe(2);
    const withPassword = gatewayUrl.replace('http://', `http://user:${secret.password}@`);
    for (const url of [
      withPassword,
      `http://127.0.0.1:9/${secret.url}/v1`,
      `${secret.url} is no address`,
      emulator.url,
    ])
      expect(
        (await run(['run', good, '--out', join(folder, 'no-api')], { OPENAI_BASE_URL: url })).code,
      ).not.toBe(0);
    worker.child.kill('SIGTERM');
    await worker.ended;

    const { History } = proto.temporal.api.history.v1;
    const { DescribeWorkflowExecutionResponse } = proto.temporal.api.workflowservice.v1;
    let histories = 0;
    for await (const { workflowId, runId } of client.workflow.list()) {
      histories += 1;
      const one = client.workflow.getHandle(workflowId, runId);
      expect(
        secretsIn(History.encode(await one.fetchHistory()).finish()),
        `history of ${workflowId}`,
      ).toEqual([]);
      const { raw } = await one.describe();
      expect(
        secretsIn(DescribeWorkflowExecutionResponse.encode(raw).finish()),
        `memo, attributes and pending activities of ${workflowId}`,
      ).toEqual([]);
    }
    expect(histories).toBeGreaterThanOrEqual(3);
  } finally {
    await connection.close();
  }

  for (const { what, text } of written)
    expect(secretsIn(text.replaceAll(refusedLine, '').replaceAll(shownId, '')), `${what}\n${text}`).toEqual(
      [],
    );
  for (const name of ['report.json', 'report.html'])
    expect(secretsIn(readFileSync(join(out, name))), name).toEqual([]);
  // The server's database and log hold everything that went through it, also what no call returns.
  const outside = [...filesUnder(home)].filter((path) => !path.startsWith(join(home, 'store')));
  expect(outside.some((path) => path.endsWith('.db'))).toBe(true);
  for (const path of outside) expect(secretsIn(readFileSync(path)), path).toEqual([]);
  // Proof that this test finds secrets: the results may contain them.
  expect(secretsIn(readFileSync(join(out, 'results.jsonl')))).toEqual(['prompt', 'id']);
  expect(written.some(({ text }) => text.includes('Worker state changed'))).toBe(true);
}, 480_000);
