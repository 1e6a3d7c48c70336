// Eight jobs that share the enqueued tokens of an account, on the emulator with its token accounting on: refusals, how much of the
// limit is used while work waits, and the time compared with the best possible schedule. All prompts have the same number of
// tokens for the tokenizer and for the emulator, which counts bytes / 4.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BatchClient } from '../dist/client/index.js';
import { startCli, startWorker } from './processes.js';

const JOBS = 8;
const SHARDS = 25;
const LINES = 4;
const WORDS = 400;
/** Shards that fit the limit, and the seconds of a batch: five waves of 40. */
const FIT = 40;
const lifecycle = {
  mode: 'timed',
  validatingMs: 500,
  inProgressMs: 10_000,
  perLineMs: 0,
  finalizingMs: 500,
};
const BATCH_MS = lifecycle.validatingMs + lifecycle.inProgressMs + lifecycle.finalizingMs;
/** Tokens of a line: the words, and some around them. */
const LIMIT = FIT * LINES * (WORDS + 10);

export async function benchTokenQueue(folder, env) {
  const options = { lifecycle, enqueuedTokenLimit: { '*': LIMIT } };
  const api = await startCli(['emulator', '--json', '--options', JSON.stringify(options)]);
  const { url } = JSON.parse(api.line);
  const jobEnv = { ...env, OPENAI_BASE_URL: url };
  const worker = await startWorker(jobEnv);
  try {
    // Each with an account of its own: a queue that knows nothing of the others.
    await measure(folder, jobEnv, 'limit given', { account: 'known', tokenLimits: { '*': LIMIT } });
    await measure(folder, jobEnv, 'limit unknown', { account: 'unknown', priority: 'normal' });
    await measure(folder, jobEnv, 'the same account again', { account: 'unknown', priority: 'normal' });
  } finally {
    await worker.stop();
    await api.stop();
  }
}

async function measure(folder, { OPENAI_BASE_URL: url, DURABLE_BATCH_HOME: home }, what, options) {
  process.env.OPENAI_BASE_URL = url;
  const before = new Set((await batchesAt(url)).map(({ id }) => id));
  await using client = await BatchClient.connect({ home });
  const started = performance.now();
  const jobs = [];
  for (let job = 0; job < JOBS; job += 1) {
    const input = join(folder, `queue-${what.replaceAll(' ', '-')}-${job}.jsonl`);
    writeFileSync(input, linesOf(`${what} ${job}`));
    jobs.push(await client.start({ input, shardLines: LINES, pollSeconds: 0.2, ...options }));
  }
  const used = [];
  const ended = Promise.all(jobs.map((job) => job.wait())).then(() => true);
  while (!(await Promise.race([ended, sleep(250, false)]))) {
    const all = (await batchesAt(url)).filter(({ id }) => !before.has(id));
    const running = all.filter(({ status }) =>
      ['validating', 'in_progress', 'finalizing'].includes(status),
    ).length;
    const done = all.filter(({ status }) => status === 'completed').length;
    // While more wait than fit, and after the first ones were sent.
    if (done > 0 && done + running < JOBS * SHARDS) used.push(running / FIT);
  }
  const seconds = (performance.now() - started) / 1_000;
  const all = (await batchesAt(url)).filter(({ id }) => !before.has(id));
  const refused = all.filter(({ errors }) =>
    errors?.data?.some(({ code }) => code === 'token_limit_exceeded'),
  ).length;
  const best = (Math.ceil((JOBS * SHARDS) / FIT) * BATCH_MS) / 1_000;
  const mean = used.reduce((sum, share) => sum + share, 0) / Math.max(1, used.length);
  console.log(
    `token queue  ${JOBS} jobs of ${SHARDS} shards, ${what.padEnd(22)} ${refused} refusals, ${(100 * mean).toFixed(0)} % of the limit in use while shards wait, ${seconds.toFixed(1)} s, best possible ${best.toFixed(1)} s: ${(seconds / best).toFixed(2)}`,
  );
}

function linesOf(name) {
  const content = ' the'.repeat(WORDS);
  return Array.from({ length: SHARDS * LINES }, (_, i) => {
    const messages = [{ role: 'user', content }];
    return `${JSON.stringify({ custom_id: `${name} ${i}`, body: { model: 'gpt-5-mini', messages } })}\n`;
  }).join('');
}

async function batchesAt(url) {
  const found = [];
  for (let after = ''; ;) {
    const response = await fetch(`${url}/batches?limit=100${after}`, {
      headers: { authorization: 'Bearer bench' },
    });
    const { data, has_more: more } = await response.json();
    found.push(...data);
    if (!more) return found;
    after = `&after=${data.at(-1).id}`;
  }
}
