// Kills real processes at random under jobs of many lines, and lets the emulator's ledger judge at the end.
//   npm run chaos -- --minutes 20 [--lines 100000,5000,1] [--seed N] [--mean SECONDS] [--summary FILE]
// With several numbers of lines, a job of each is always under way, beside the others.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  appendFileSync,
  createReadStream,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath, exit } from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Client } from '@temporalio/client';
import { prepareJob } from '../dist/client/index.js';
import { jobIdentity } from '../dist/core/job-spec.js';
import { connectClient, resolveTemporalTarget, stopEmbeddedServer } from '../dist/temporal/index.js';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '20' },
    lines: { type: 'string', default: '100000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    /** Seconds between two strikes, on average. */
    mean: { type: 'string', default: '8' },
    summary: { type: 'string' },
  },
});
const minutes = Number(values.minutes);
const sizes = values.lines.split(',').map(Number);
const seed = Number(values.seed);
const meanMs = Number(values.mean) * 1_000;

const cli = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'durable-batch-chaos-'));
const home = join(folder, 'home');
/** Dead workers are missed after this; a stopped one sleeps for longer. */
const HEARTBEAT_MS = 3_000;
const ZOMBIE_MS = [5_000, 30_000];
/** A job that has not ended so long after the last strike will not end by itself. */
const STUCK_MS = 15 * 60_000;
const WORKERS = 2;

const random = randomOf(seed);
const between = (low, high) => low + random() * (high - low);
const started = Date.now();
const killsUntil = started + minutes * 60_000;
const say = (text) => console.log(`${((Date.now() - started) / 1_000).toFixed(0).padStart(5)} s  ${text}`);
const kills = {};
const note = (kind) => (kills[kind] = (kills[kind] ?? 0) + 1);
let ending = false;

say(
  `seed ${seed}, ${minutes} minutes, jobs of ${sizes.join(', ')} lines, a strike every ${values.mean} s on average; ${folder}`,
);

// --- processes that come back when they die, as under any supervisor

/** Keeps a command running; `child` is the one that runs now, null in between. */
function keep(name, args, env, log) {
  const kept = { name, child: null, stopped: false };
  const start = () => {
    if (ending) return;
    const child = spawn(execPath, [cli, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...env },
    });
    kept.child = child;
    child.stderr.on('data', (chunk) => appendFileSync(log, chunk));
    child.once('exit', () => {
      kept.child = null;
      kept.stopped = false;
      setTimeout(start, between(0, 3_000));
    });
  };
  start();
  return kept;
}

const emulatorOptions = {
  seed,
  lifecycle: {
    mode: 'timed',
    validatingMs: 500,
    inProgressMs: 6_000,
    perLineMs: 0,
    finalizingMs: 500,
    cancellingMs: 500,
  },
  faults: [
    { on: 'line', fraction: 0.03, executions: 1, fault: { kind: 'status', status: 500 } },
    { on: 'line', fraction: 0.01, executions: 1, fault: { kind: 'lost', paid: false } },
    { on: 'batch', probability: 0.1, fault: { kind: 'expire', afterFraction: 0.5 } },
    { on: 'batch', probability: 0.05, fault: { kind: 'cancel', afterFraction: 0.3 } },
  ],
};

/** The emulator plays the API: it comes back at once, on its port, with its data. */
const api = { child: null, port: 0 };
async function startEmulator() {
  const args = [
    'emulator',
    '--json',
    '--data',
    join(folder, 'emulator'),
    '--options',
    JSON.stringify(emulatorOptions),
  ];
  if (api.port !== 0) args.push('--port', String(api.port));
  const child = spawn(execPath, [cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stderr.on('data', (chunk) => appendFileSync(join(folder, 'emulator.log'), chunk));
  api.child = child;
  const line = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve);
    child.once('exit', (code) => reject(new Error(`the emulator ended with ${code}`)));
  });
  api.port = JSON.parse(line).port;
}
const admin = async (path, init) =>
  (await fetch(`http://127.0.0.1:${api.port}/emulator/${path}`, init)).json();

await startEmulator();
const env = {
  OPENAI_API_KEY: 'chaos',
  OPENAI_BASE_URL: `http://127.0.0.1:${api.port}/v1`,
  DURABLE_BATCH_HOME: home,
  DURABLE_BATCH_PATIENCE: '0.05',
};
const target = await resolveTemporalTarget({ home });
const connection = await connectClient(target);
const temporal = new Client({ connection });
const workers = Array.from({ length: WORKERS }, (_, i) =>
  keep(`worker ${i + 1}`, ['worker'], env, join(folder, `worker-${i + 1}.log`)),
);

// --- jobs of each size, one after another

const clients = new Set();
const jobs = [];
let begun = 0;

async function runJobs(lines) {
  do jobs.push(await runJob((begun += 1), lines));
  while (Date.now() < killsUntil);
}

async function runJob(number, lines) {
  const id = `chaos-${seed}-${number}`;
  const input = join(folder, `${id}.jsonl`);
  writeInput(input, number, lines);
  const flags = { shardLines: 5_000, attempts: 4, pollSeconds: 0.5, inFlight: 12 };
  const spec = await prepareJob({ input, jobId: id, ...flags });
  await startTuned(spec);
  const out = join(folder, `out-${id}`);
  const args = ['run', input, '--no-worker', '--job', id, '--out', out];
  args.push(...'--shard-lines 5000 --attempts 4 --poll 0.5 --in-flight 12 --json'.split(' '));
  for (;;) {
    const client = spawn(execPath, [cli, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...env },
    });
    clients.add(client);
    let tail = '';
    client.stderr.on('data', (chunk) => (tail = (tail + chunk).slice(-2_000)));
    const [code, signal] = await once(client, 'exit');
    clients.delete(client);
    if (signal !== null) continue; // killed: the same command again
    // 2: the server stayed away for longer than `run` waits; anything else but an end is a finding.
    if (code === 0 || code === 3) break;
    if (code !== 2 || !/Temporal server/.test(tail)) {
      note(`run ended with ${code}`);
      say(`run ended with ${code}: ${tail}`);
      await sleep(2_000);
    }
    if (Date.now() > killsUntil + STUCK_MS) throw new Error(`Job ${id} is stuck: ${tail}`);
  }
  const end = await check(out);
  say(
    `job ${number} of ${lines} lines: ${end.rows} rows, ${end.answered} answered, ${end.failed} failed, ${end.rounds} rounds, ${end.batches} batches`,
  );
  rmSync(out, { recursive: true, force: true });
  rmSync(input);
  return { ...end, lines };
}

/** Starts the job as `run` would, but with a short heartbeat, so that 20 minutes hold many deaths; `run` re-joins it. */
async function startTuned(spec) {
  const identity = createHash('sha256').update(jobIdentity(spec, spec.input.sha256)).digest('hex');
  for (;;) {
    try {
      await temporal.workflow.start('batchJob', {
        workflowId: spec.jobId,
        taskQueue: 'durable-batch',
        args: [spec, undefined, { heartbeatMs: HEARTBEAT_MS }],
        memo: { durable_batch_identity: identity },
      });
      return;
    } catch (error) {
      if (error.name === 'WorkflowExecutionAlreadyStartedError') return; // the reply was lost
      await sleep(500); // the server is away
    }
  }
}

/** Reads the rows that the user got: one per line, in order. */
async function check(out) {
  let rows = 0;
  let inOrder = true;
  for await (const text of createInterface({ input: createReadStream(join(out, 'results.jsonl')) })) {
    rows += 1;
    if (!text.startsWith(`{"line":${rows},`)) inOrder = false;
  }
  const report = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8'));
  return {
    rows,
    inOrder,
    answered: report.answered,
    failed: report.failed,
    rounds: report.rounds,
    batches: report.batches,
  };
}

function writeInput(path, job, lines) {
  let text = '';
  for (let i = 1; i <= lines; i += 1)
    text += `{"custom_id":"r${i}","url":"/v1/chat/completions","body":{"model":"gpt-5-mini","messages":[{"role":"user","content":"Job ${job}, prompt ${i}."}]}}\n`;
  writeFileSync(path, text);
}

// --- strikes

const strikes = [
  [4, 'worker killed', () => killWorker()],
  [2, 'all workers killed', () => workers.map(killOne).some(Boolean)],
  [3, 'server killed', killServer],
  [2, 'client killed', killClient],
  [3, 'worker stopped, woken later', stopWorker],
  [1, 'worker and server killed', () => [killWorker(), killServer()].every(Boolean)],
  [1, 'everything of ours killed', () => [...workers.map(killOne), killServer(), killClient()].some(Boolean)],
  [2, 'API killed', killApi],
  [2, 'connections reset', () => addFault({ kind: 'reset', when: random() < 0.5 ? 'before' : 'after' })],
  [1, 'replies 503 although done', () => addFault({ kind: 'status', status: 503, when: 'after' })],
  [1, 'replies 500', () => addFault({ kind: 'status', status: 500 })],
  [1, 'downloads cut', () => addFault({ kind: 'truncate', afterFraction: random() }, 'files.content')],
];

async function strikeOn() {
  const total = strikes.reduce((sum, [weight]) => sum + weight, 0);
  while (Date.now() < killsUntil) {
    await sleep(Math.min(60_000, -Math.log(1 - random()) * meanMs));
    if (Date.now() >= killsUntil) return;
    let draw = random() * total;
    const [, name, strike] = strikes.find(([weight]) => (draw -= weight) < 0);
    if (await strike()) {
      note(name);
      say(name);
    }
  }
}

function killOne(worker) {
  return worker.child?.kill('SIGKILL') === true;
}

function killWorker() {
  return killOne(workers[Math.floor(random() * workers.length)]);
}

function killClient() {
  const [client] = [...clients].sort(() => random() - 0.5);
  return client?.kill('SIGKILL') === true;
}

function killServer() {
  try {
    const { pid } = JSON.parse(readFileSync(join(home, 'temporal/server.json'), 'utf8'));
    // The id may be another's by now if the server is down.
    if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(home)) return false;
    process.kill(pid, 'SIGKILL');
    return true;
  } catch {
    return false; // down already
  }
}

function stopWorker() {
  const awake = workers.filter(({ child, stopped }) => child !== null && !stopped);
  const worker = awake[Math.floor(random() * awake.length)];
  if (worker === undefined) return false;
  const { child } = worker;
  child.kill('SIGSTOP');
  worker.stopped = true;
  setTimeout(
    () => {
      child.kill('SIGCONT');
      if (worker.child === child) worker.stopped = false;
    },
    between(...ZOMBIE_MS),
  );
  return true;
}

async function killApi() {
  const exited = once(api.child, 'exit');
  api.child.kill('SIGKILL');
  await exited;
  await sleep(between(0, 4_000));
  await startEmulator();
  return true;
}

async function addFault(fault, call = '*') {
  const rule = { on: 'call', call, count: 1 + Math.floor(random() * 5), fault };
  await admin('faults', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(rule),
  });
  return true;
}

// --- the end

let failure = null;
await Promise.all([...sizes.map(runJobs), strikeOn()]).catch((error) => {
  failure = error.message;
  say(failure);
});
ending = true;
await Promise.all(
  workers.map(async ({ child }) => {
    if (child === null) return;
    const exited = once(child, 'exit');
    child.kill('SIGCONT'); // the last to wake up: what it still does counts
    child.kill('SIGTERM');
    await exited;
  }),
);
const ledger = await admin('ledger');
const sum = (field) => jobs.reduce((all, job) => all + job[field], 0);
const summary = {
  date: new Date().toISOString(),
  seed,
  minutes,
  cores: availableParallelism(),
  node: process.version,
  kills,
  strikes: Object.values(kills).reduce((all, count) => all + count, 0),
  jobs: jobs.length,
  lines: sum('lines'),
  rows: sum('rows'),
  answered: sum('answered'),
  failed: sum('failed'),
  batches: ledger.batches,
  lines_lost: sum('lines') - sum('rows'),
  answers_lost: ledger.paid - sum('answered'),
  lines_paid_twice: ledger.lines_paid_twice_or_more,
  batches_unread: ledger.batches_unread,
  out_of_order: jobs.filter(({ inOrder }) => !inOrder).length,
  failure,
};
if (values.summary !== undefined) writeFileSync(values.summary, `${JSON.stringify(summary, null, 2)}\n`);

console.log('');
for (const [kind, count] of Object.entries(kills)) console.log(`${String(count).padStart(6)}  ${kind}`);
for (const field of [
  'jobs',
  'lines',
  'batches',
  'lines_lost',
  'answers_lost',
  'lines_paid_twice',
  'batches_unread',
  'out_of_order',
])
  console.log(`${String(summary[field]).padStart(9)}  ${field.replaceAll('_', ' ')}`);
const isSound =
  failure === null &&
  summary.lines_lost + summary.lines_paid_twice + summary.batches_unread + summary.out_of_order === 0 &&
  summary.answers_lost === 0;
console.log(isSound ? 'sound' : `NOT SOUND; everything is kept in ${folder}`);

await connection.close();
await stopEmbeddedServer({ home });
api.child.kill('SIGTERM');
if (isSound && existsSync(folder)) rmSync(folder, { recursive: true, force: true });
exit(isSound ? 0 : 1);

/** Numbers from 0 to 1 that a seed decides (mulberry32). */
function randomOf(start) {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
