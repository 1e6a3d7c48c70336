// npm run bench [-- --large]: the figures of the README, as ratios and counts. Nothing here passes or fails.
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv, exit } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { BatchClient } from '../dist/client/index.js';
import { stopEmbeddedServer } from '../dist/temporal/index.js';
import { benchBatchEnd } from './batch-end.js';
import { benchEmbeddings } from './embeddings.js';
import { benchFileWork } from './file-work.js';
import { benchRendering } from './render.js';
import { benchResultsTable } from './results-table.js';
import { benchTables } from './tables.js';
import { benchTokenQueue } from './token-queue.js';
import { benchWaiting } from './waiting.js';
import { peakMemoryMb, startCli, startWorker, time, timeCli } from './processes.js';

const folder = mkdtempSync(join(tmpdir(), 'durable-batch-bench-'));
const home = join(folder, 'home');
const baseline = fileURLToPath(new URL('./baseline.sh', import.meta.url));
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const RUNS = 3;

const makeLine = (i) =>
  `${JSON.stringify({ custom_id: `req-${i}`, method: 'POST', url: '/v1/chat/completions', body: { model: 'gpt-5-mini', messages: [{ role: 'user', content: `Small prompt number ${i} with a few words in it, about two hundred bytes.` }] } })}\n`;

function writeInput(path, lines) {
  writeFileSync(path, '');
  for (let from = 1; from <= lines; from += 50_000) {
    let text = '';
    for (let i = from; i < Math.min(lines + 1, from + 50_000); i += 1) text += makeLine(i);
    appendFileSync(path, text);
  }
}

console.log(`${availableParallelism()} cores, Node ${process.version}`);
const emulator = await startCli(['emulator', '--instant', '--json', '--data', join(folder, 'emulator')]);
const { url } = JSON.parse(emulator.line);
const env = {
  OPENAI_API_KEY: 'bench',
  OPENAI_BASE_URL: url,
  DURABLE_BATCH_HOME: home,
  DURABLE_BATCH_PATIENCE: '0.01',
};
const input = join(folder, 'small.jsonl');
writeInput(input, 50_000);
console.log(
  `50,000 chat lines, ${(statSync(input).size / 1e6).toFixed(1)} MB, 5 batches; medians of ${RUNS}`,
);

// In turn, so that a machine that becomes slower slows all of them.
const shell = [];
const cold = [];
const warm = [];
const next = [];
const coldPeaks = [];
const warmPeaks = [];
/** A server that has just answered for the first time is still busy with itself. */
const SETTLE_MS = 2_000;
const runArgs = (name, ...more) => [
  'run',
  input,
  '--fresh',
  '--out',
  join(folder, `out-${name}`),
  '--shard-lines',
  '10000',
  '--poll',
  '0.1',
  ...more,
];
for (let i = 0; i < RUNS; i += 1) {
  const work = join(folder, `shell-${i}`);
  mkdirSync(work);
  shell.push((await time('bash', [baseline, input, url, '10000', work])).seconds);
  const one = await timeCli(runArgs(`cold-${i}`), env);
  cold.push(one.seconds);
  coldPeaks.push(one.peakMb ?? 0);
  const worker = await startWorker(env);
  await sleep(SETTLE_MS);
  warm.push((await timeCli(runArgs(`warm-${i}`, '--no-worker'), env)).seconds);
  warmPeaks.push((await peakMemoryMb(worker.child.pid)) ?? 0);
  next.push((await timeCli(runArgs(`next-${i}`, '--no-worker'), env)).seconds);
  await worker.stop();
  await stopEmbeddedServer({ home });
}
console.log(`split and curl   ${median(shell).toFixed(2)} s`);
console.log(
  `run, all starts  ${median(cold).toFixed(2)} s, ratio ${(median(cold) / median(shell)).toFixed(2)} (goal 2.5); peak memory ${median(coldPeaks)} MB, client and worker in one process`,
);
console.log(
  `run, warm        ${median(warm).toFixed(2)} s, ratio ${(median(warm) / median(shell)).toFixed(2)} (goal 1.5), a worker's first job; its peak memory ${median(warmPeaks)} MB (goal 350)`,
);
console.log(
  `run, warm, next  ${median(next).toFixed(2)} s, ratio ${(median(next) / median(shell)).toFixed(2)} (goal 1.5), a worker's second job`,
);

await benchFileWork(join(folder, 'file-work'), makeLine, 500_000, Math.min(2, availableParallelism()));
await benchTables(join(folder, 'tables'));
await benchResultsTable(join(folder, 'results-table'));
await benchTokenQueue(folder, env);
await benchEmbeddings(join(folder, 'embeddings'));
await benchRendering(join(folder, 'rendering'), 1_000_000);
await benchHistory();
await benchBatchEnd(join(folder, 'batch-end'), makeLine);
const waiting = join(folder, 'waiting.jsonl');
writeInput(waiting, 1_000);
await benchWaiting(home, env, waiting);
if (argv.includes('--large')) await benchLarge();

await stopEmbeddedServer({ home });
await emulator.stop();
rmSync(folder, { recursive: true, force: true });
exit(0);

/** Events a shard, and events a poll cycle with 1 and with 100 batches in flight, read from histories. */
async function benchHistory() {
  const slow = await startCli([
    'emulator',
    '--json',
    '--options',
    JSON.stringify({
      lifecycle: { mode: 'timed', validatingMs: 200, inProgressMs: 12_000, perLineMs: 0, finalizingMs: 200 },
    }),
  ]);
  const slowEnv = { ...env, OPENAI_BASE_URL: JSON.parse(slow.line).url };
  const tiny = join(folder, 'tiny.jsonl');
  writeInput(tiny, 100);
  for (const batches of [1, 100]) {
    const id = `bench-history-${batches}`;
    await timeCli(
      [
        'run',
        tiny,
        '--job',
        id,
        '--out',
        join(folder, id),
        '--shard-lines',
        String(100 / batches),
        '--poll',
        '1',
      ],
      slowEnv,
    );
    const client = await BatchClient.connect({ home });
    const cycle = await eventsOfQuietCycle(client, id);
    await client.close();
    console.log(
      `${String(batches).padStart(3)} batches      ${cycle.total} history events, ${(cycle.total / batches).toFixed(1)} a shard; a poll cycle costs ${cycle.cycle} events`,
    );
  }
  await slow.stop();
}

/** The commonest distance between two polls of a history, in events. */
async function eventsOfQuietCycle(client, id) {
  const { events } = await client.history(id);
  const polls = events
    .filter((event) => event.activityTaskScheduledEventAttributes?.activityType?.name === 'watchBatches')
    .map((event) => Number(event.eventId));
  const distances = polls.slice(1).map((eventId, i) => eventId - polls[i]);
  const counts = new Map();
  for (const distance of distances) counts.set(distance, (counts.get(distance) ?? 0) + 1);
  const [cycle] = [...counts].sort((a, b) => b[1] - a[1])[0] ?? ['unknown'];
  return { total: events.length, cycle };
}

/** 1,000,000 lines: memory beside that of 50,000, and time a line. */
async function benchLarge() {
  const large = join(folder, 'large.jsonl');
  writeInput(large, 1_000_000);
  const worker = await startWorker(env);
  const { seconds } = await timeCli(
    ['run', large, '--fresh', '--out', join(folder, 'out-large'), '--poll', '0.1', '--no-worker'],
    env,
  );
  const peak = await peakMemoryMb(worker.child.pid);
  await worker.stop();
  console.log(
    `1,000,000 lines  ${seconds.toFixed(1)} s, ${((seconds / 1_000_000) * 1e6).toFixed(1)} µs a line (50,000: ${((median(warm) / 50_000) * 1e6).toFixed(1)}); worker's peak memory ${peak} MB, ratio ${(peak / median(warmPeaks)).toFixed(2)} (goal 1.25)`,
  );
}
