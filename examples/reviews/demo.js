// The demo: real reviews through the Batch API protocol, on the embedded Temporal server, with things going wrong.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { argv, env, execPath, exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import { readReviews, writeRequests } from './make-requests.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const out = join(root, 'out', 'reviews');

const { startEmulator } = await import('../../dist/emulator/index.js');

await mkdir(out, { recursive: true });
const input = join(out, 'reviews.jsonl');
const lines = await writeRequests(input);
console.log(`${lines} reviews → ${input}`);

// Its state is kept, so that a demo that was killed goes on when it is started again.
const emulator = await startEmulator({
  dataDir: join(out, '.emulator'),
  lifecycle: { mode: 'timed', validatingMs: 300, inProgressMs: 1_500, perLineMs: 8, finalizingMs: 300 },
  faults: [
    { on: 'line', fraction: 0.02, executions: 1, fault: { kind: 'status', status: 500 } },
    { on: 'batch', nth: 3, fault: { kind: 'expire', afterFraction: 0.5 } },
  ],
});
console.log(
  `The Batch API is played by the emulator at ${emulator.url}; its answers come from a sentiment lexicon, a stand-in for a model.`,
);
console.log('On purpose, 2 % of the lines fail at first and one batch expires half done.\n');

const run = spawn(
  execPath,
  [
    join(root, 'dist', 'cli', 'main.js'),
    'run',
    input,
    '--out',
    out,
    '--shard-lines',
    '400',
    '--poll',
    '0.5',
    ...argv.slice(2),
  ],
  {
    stdio: 'inherit',
    env: {
      ...env,
      OPENAI_BASE_URL: emulator.url,
      OPENAI_API_KEY: 'emulator',
      DURABLE_BATCH_PATIENCE: '0.01',
    },
  },
);
const [code] = await once(run, 'exit');
if (code !== 0) {
  await emulator.close();
  exit(code ?? 1);
}

const ledger = await (await fetch(new URL('/emulator/ledger', emulator.url))).json();
console.log(
  `ledger      ${ledger.lines} lines executed ${ledger.executed} times; paid twice: ${ledger.lines_paid_twice_or_more}`,
);
console.log(`agreement   ${await agreement()}`);
console.log(
  `files       ${out}/: results.jsonl, report.json, report.html (open it in a browser), reviews.jsonl`,
);
console.log(
  'Temporal keeps running for its Web UI (address above); stop it with: npx durable-batch dev --stop',
);
await emulator.close();
exit(0);

/** How often the label agrees with the raters, whose mean is taken as neutral between -0.5 and 0.5. */
async function agreement() {
  const ratings = new Map((await readReviews()).map(({ id, human_rating: rating }) => [id, Number(rating)]));
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
