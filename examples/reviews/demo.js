// The demo: `run sentiment.job.yaml` on real reviews, against the emulator of the Batch API, with things going wrong.
import { randomBytes } from 'node:crypto';
import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { argv, env, exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import { parse } from 'csv-parse/sync';

const { runProgram } = await import('../../dist/cli/program.js');
const { startEmulator } = await import('../../dist/emulator/index.js');
const { readEnvironment } = await import('../../dist/environment.js');
const { version } = createRequire(import.meta.url)('../../package.json');

const jobFile = fileURLToPath(new URL('./sentiment.job.yaml', import.meta.url));
const out = resolve('out', 'reviews');
const { home } = readEnvironment();
const folder = join(home, 'demo');
const record = join(folder, 'demo.json');

/** The version of the record: an earlier demo has a job of other requests. */
const VERSION = 2;
// The job, the data of its emulator and its port are kept together in the home, so that the demo continues when it is started again.
const options = argv.slice(2);
const before = options.includes('--fresh') ? null : await lastDemo();
const job = before?.job ?? `reviews-${randomBytes(4).toString('hex')}`;
const isFinished = before !== null && (await isThere(join(home, 'store', 'jobs', job, 'report.json')));

const emulator = await startApi(before?.port ?? 0);
await mkdir(folder, { recursive: true });
await writeFile(`${record}.tmp`, JSON.stringify({ v: VERSION, job, port: emulator.port }));
await rename(`${record}.tmp`, record);

await mkdir(out, { recursive: true });
// `run` refuses a folder with the results of another demo; those of this one are written again.
for (const name of ['results.jsonl', 'results.partial.jsonl', 'report.json', 'report.html'])
  await rm(join(out, name), { force: true });
console.log(`reviews    ${fileURLToPath(new URL('./reviews.csv', import.meta.url))}`);
console.log(`job file   ${jobFile}`);
if (isFinished) {
  console.log(
    'The demo has run before: its job is finished, and its results are written again. Nothing is sent.',
  );
  console.log('For a new run: npm run demo -- --fresh\n');
} else {
  if (before !== null) console.log('An earlier run of the demo was stopped: its job goes on.');
  console.log(
    `The Batch API is played by the emulator at ${emulator.url}; its answers come from a sentiment lexicon, a stand-in for a model.`,
  );
  console.log('On purpose, 2 % of the lines fail at first and one batch expires half done.\n');
}

// In this process, so that a signal ends all of the demo.
env.OPENAI_BASE_URL = emulator.url;
env.OPENAI_API_KEY = 'emulator';
env.DURABLE_BATCH_PATIENCE = '0.01';
argv.splice(
  2,
  argv.length,
  'run',
  jobFile,
  '--out',
  out,
  '--job',
  job,
  '--shard-lines',
  '400',
  '--poll',
  '0.5',
);
argv.push(...options.filter((option) => option !== '--fresh'));
await runProgram(version);
if (process.exitCode) {
  await emulator.close();
  exit();
}

const ledger = await (await fetch(new URL('/emulator/ledger', emulator.url))).json();
console.log(
  `ledger      ${ledger.lines} lines executed ${ledger.executed} times; paid twice: ${ledger.lines_paid_twice_or_more}`,
);
console.log(`agreement   ${await agreement()}`);
console.log(`files       ${out}/: results.jsonl, report.json, report.html (open it in a browser)`);
console.log(
  'Temporal keeps running for its Web UI (address above); stop it with: npx durable-batch dev --stop',
);
await emulator.close();
exit(0);

/** The last demo of this home: its job, and the port at which the job's API is played. */
async function lastDemo() {
  if (!(await isThere(record))) return null;
  const last = JSON.parse(await readFile(record, 'utf8'));
  return last.v === VERSION ? last : null;
}

/** The emulator, at the port that the job's batches live at; 0 is any. */
async function startApi(port) {
  try {
    return await startEmulator({
      port,
      dataDir: join(folder, job),
      lifecycle: { mode: 'timed', validatingMs: 300, inProgressMs: 1_500, perLineMs: 8, finalizingMs: 300 },
      faults: [
        { on: 'line', fraction: 0.02, executions: 1, fault: { kind: 'status', status: 500 } },
        { on: 'batch', nth: 3, fault: { kind: 'expire', afterFraction: 0.5 } },
      ],
    });
  } catch (error) {
    if (error.code !== 'EADDRINUSE') throw error;
    console.error(
      `Port ${port} on 127.0.0.1, where this demo's job has its Batch API, is taken: end the demo that runs, or begin a new one with \`npm run demo -- --fresh\`.`,
    );
    return exit(2);
  }
}

async function isThere(path) {
  return await access(path).then(
    () => true,
    () => false,
  );
}

/** How often the label agrees with the raters, whose mean is taken as neutral between -0.5 and 0.5. */
async function agreement() {
  const csv = await readFile(new URL('./reviews.csv', import.meta.url), 'utf8');
  const reviews = parse(csv, { columns: true });
  const ratings = new Map(reviews.map(({ id, human_rating: rating }) => [id, Number(rating)]));
  const rows = (await readFile(join(out, 'results.jsonl'), 'utf8')).split('\n').filter((line) => line !== '');
  let same = 0;
  let answered = 0;
  let opposite = 0;
  for (const line of rows) {
    const { id, status, response } = JSON.parse(line);
    if (status !== 'answered') continue;
    answered += 1;
    const label = JSON.parse(response.choices[0].message.content).sentiment;
    const rating = ratings.get(id);
    const human = rating >= 0.5 ? 'positive' : rating <= -0.5 ? 'negative' : 'neutral';
    if (label === human) same += 1;
    else if (label !== 'neutral' && human !== 'neutral') opposite += 1;
  }
  const percent = (n) => `${((n / answered) * 100).toFixed(1)} %`;
  return `${percent(same)} of the labels agree with the human ratings, ${percent(opposite)} say the opposite`;
}
