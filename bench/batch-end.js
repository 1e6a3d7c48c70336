// Time from a batch's end at the API to its rows in the store, with and without webhooks.
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stopEmbeddedServer } from '../dist/temporal/index.js';
import { startCli, timeCli } from './processes.js';

const BATCHES = 10;
const SECRET = `whsec_${randomBytes(24).toString('base64')}`;

/** Prints the times of a job of ten batches that end one after another: polled every few seconds, and woken by events. */
export async function benchBatchEnd(folder, makeLine) {
  mkdirSync(folder, { recursive: true });
  const input = join(folder, 'ends.jsonl');
  // A batch has one model: ten of them, each with more lines than the one before it, end one after another.
  let text = '';
  for (let batch = 1; batch <= BATCHES; batch += 1) {
    for (let i = 1; i <= batch * 20; i += 1) text += makeLine(i).replace('gpt-5-mini', `gpt-5-mini-${batch}`);
  }
  writeFileSync(input, text);
  const port = await freePort();
  const emulator = await startCli([
    'emulator',
    '--json',
    '--webhook-url',
    `http://127.0.0.1:${port}/webhooks/openai`,
    '--webhook-secret',
    SECRET,
    '--options',
    JSON.stringify({
      lifecycle: { mode: 'timed', validatingMs: 200, inProgressMs: 6_000, perLineMs: 40, finalizingMs: 200 },
    }),
  ]);
  const { url } = JSON.parse(emulator.line);
  const home = join(folder, 'home');
  const env = {
    OPENAI_API_KEY: 'bench',
    OPENAI_BASE_URL: url,
    OPENAI_WEBHOOK_SECRET: SECRET,
    DURABLE_BATCH_HOME: home,
  };
  for (const { what, poll, options } of [
    { what: 'polled only', poll: 5, options: [] },
    { what: 'with webhooks', poll: 3_600, options: ['--webhook-port', String(port)] },
  ]) {
    const worker = await startCli(
      ['worker', '--log-level', 'error', ...options],
      env,
      'stderr',
      /^Worker on queue/,
    );
    const job = `ends-${poll}`;
    const watching = new AbortController();
    const ends = watchEnds(url, watching.signal);
    await timeCli(
      [
        'run',
        input,
        '--no-worker',
        '--job',
        job,
        '--shard-lines',
        '100',
        '--poll',
        String(poll),
        '--out',
        join(folder, job),
      ],
      env,
    );
    watching.abort();
    const seconds = rowsWritten(join(home, 'store', 'jobs', job, 'shards'), await ends, url);
    const { most, median } = spread(await seconds);
    const beside = poll === 3_600 ? 'goal 2 s' : `${(most / poll).toFixed(2)} of the poll interval, goal 1`;
    console.log(
      `end to rows, ${what.padEnd(13)}  median ${median.toFixed(2)} s, most ${most.toFixed(2)} s (${beside})`,
    );
    await worker.stop();
  }
  await stopEmbeddedServer({ home });
  await emulator.stop();
}

/** When each batch was first seen to have ended, in ms, by looking all the time. */
async function watchEnds(url, signal) {
  const ends = new Map();
  while (!signal.aborted) {
    const response = await fetch(`${url}/batches?limit=100`, { headers: { authorization: 'Bearer bench' } });
    for (const { id, status } of (await response.json()).data)
      if (status === 'completed' && !ends.has(id)) ends.set(id, Date.now());
    await sleep(10);
  }
  return ends;
}

/** Seconds between each batch's end and its rows. */
async function rowsWritten(shards, ends, url) {
  const response = await fetch(`${url}/batches?limit=100`, { headers: { authorization: 'Bearer bench' } });
  const batches = (await response.json()).data;
  return readdirSync(shards).map((shard) => {
    const job = shards.split('/').at(-2);
    const batch = batches.find(({ metadata }) => metadata.durable_batch_shard === `${job}/${shard}/1`);
    const rows = readdirSync(join(shards, shard)).find((name) => name.startsWith('rows'));
    return (statSync(join(shards, shard, rows)).mtimeMs - ends.get(batch.id)) / 1_000;
  });
}

function spread(list) {
  const sorted = [...list].sort((a, b) => a - b);
  return { median: sorted[Math.floor(sorted.length / 2)], most: sorted.at(-1) };
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
