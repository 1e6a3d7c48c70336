/** The README and the first example of docs/schedules.md, as a reader runs them: from top to bottom, and again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../../src/temporal/free-port.ts';
import { stopEmbeddedServer } from '../../src/temporal/index.ts';
import { until, type Ended, type Ledger } from '../support/cli-harness.ts';
import { stepsOf, writeSnippets } from '../support/snippets.ts';
import { TempFolder } from '../support/temp-folder.ts';

const cli = resolve(import.meta.dirname, '../../dist/cli/main.js');
const tsx = import.meta.resolve('tsx');
const folder = new TempFolder();
const children = new Set<ChildProcess>();
let port: number;
/** The variables that the reader has exported so far. */
let exported = '';

const steps = stepsOf('README.md').filter(
  // This step sets the repository up, runs the demo, which has a test of its own, and runs these tests.
  ({ code }) => !code.startsWith('npm ci && '),
);
const scheduleSteps = stepsOf('docs/schedules.md');

/** The step that contains this text, with a free port. */
const step = (text: string): string =>
  [...steps, ...scheduleSteps].find(({ code }) => code.includes(text))!.code.replaceAll('8080', String(port));
/** The command with this name in the example of docs/schedules.md, without the others of its block. */
const scheduleCommand = (name: string): string =>
  step(`schedule ${name}`)
    .replaceAll('\\\n', ' ')
    .split('\n')
    .find((line) => line.includes(`schedule ${name}`))!;

beforeAll(async () => {
  port = await freePort(undefined);
  const programs = steps.filter(({ language }) => language === 'ts');
  writeSnippets(
    folder.path,
    programs.map(({ code }) => ({ code, isProgram: true })),
  );
  const lines = ['Good kettle.', 'Broke after a day.', 'It is a lid.'].map((content) =>
    JSON.stringify({ body: { messages: [{ role: 'user', content }] } }),
  );
  writeFileSync(folder.at('requests.jsonl'), `${lines.join('\n')}\n`);
  writeFileSync(folder.at('reviews.csv'), 'review\nGood kettle.\n');
});
afterAll(async () => {
  for (const { pid } of children) if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  await stopEmbeddedServer({ home: folder.at('.durable-batch') });
  folder[Symbol.dispose]();
});

/** Runs lines in a shell whose `npx` finds this package. */
function shell(code: string): { output: () => string; ended: Promise<Ended> } {
  const npx = `npx() { shift; "${process.execPath}" "${cli}" "$@"; }`;
  const { DURABLE_BATCH_HOME: _, TEMPORAL_ADDRESS: __, ...env } = process.env;
  const child = spawn('bash', ['-ec', `${npx}\n${exported}\n${code}`], {
    cwd: folder.path,
    // Only the emulator needs no short waits.
    env: { ...env, DURABLE_BATCH_PATIENCE: '0.01' },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  children.add(child);
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => (out += String(chunk)));
  child.stderr.on('data', (chunk) => (err += String(chunk)));
  const ended = once(child, 'close').then(([status]) => {
    children.delete(child);
    return { code: status as number | null, out, err };
  });
  return { output: () => out + err, ended };
}

async function ledger(): Promise<Ledger> {
  return (await (await fetch(`http://127.0.0.1:${port}/emulator/ledger`)).json()) as Ledger;
}

test('has these steps, all of which are taken below', () => {
  expect(steps.map(({ code }) => code.split('\n', 1)[0])).toEqual([
    'npx durable-batch emulator --port 8080 --instant',
    'export OPENAI_BASE_URL=http://127.0.0.1:8080/v1 OPENAI_API_KEY=any',
    "npx durable-batch run reviews.csv --prompt 'Positive or negative? {{ review }}' --model gpt-5-mini --dry-run",
    "npx durable-batch run 'docs/**/*.md' --chunk-tokens 400 --embed --model text-embedding-3-small --out vectors.parquet",
    "import { BatchClient } from 'durable-batch';",
  ]);
  const commands = scheduleSteps.filter(({ language }) => language === 'sh');
  expect(commands.map(({ code }) => code.split("'", 1)[0])).toEqual([
    'npx durable-batch schedule create reviews ',
    'npx durable-batch schedule trigger reviews\nnpx durable-batch schedule describe reviews\n',
    'npx durable-batch schedule create nightly-sentiment examples/reviews/nightly.job.yaml --cron ', // a test of its own
    step('--only-new reviews'),
  ]);
});

test("the reader's file is answered offline, and paid once however often the command runs", async () => {
  const emulator = shell(step('durable-batch emulator'));
  await until(() => emulator.output().includes('The emulator listens'));
  const [first] = step('durable-batch run').split('\n');
  exported = first!;
  for (const _time of [1, 2]) {
    const ended = await shell(step('durable-batch run')).ended;
    expect(ended, ended.err).toMatchObject({ code: 0 });
    expect(ended.out).toMatch(/^lines +3: 3 answered, 0 failed, 0 cancelled\nbatches +1 in 1 round\n/);
    expect(readdirSync(folder.at('out')).sort()).toEqual(['report.html', 'report.json', 'results.jsonl']);
    expect(await ledger()).toMatchObject({ paid: 3 });
  }
});

test('a dry run shows the requests of a table', async () => {
  const ended = await shell(step('--dry-run')).ended;
  expect(ended, ended.err).toMatchObject({ code: 0, err: '' });
  expect(ended.out).toContain('"content":"Positive or negative? Good kettle."');
});

test('documents become a table of vectors, by one request', async () => {
  mkdirSync(folder.at('docs/more'), { recursive: true });
  writeFileSync(folder.at('docs/a.md'), '# A\n\nKettles.\n');
  writeFileSync(folder.at('docs/more/b.md'), '# B\n\nLids.\n');
  const { paid } = await ledger();
  const ended = await shell(step('--embed')).ended;
  expect(ended, ended.err).toMatchObject({ code: 0 });
  expect(ended.out).toMatch(/^lines +2: 2 answered/);
  expect(readdirSync(folder.path)).toContain('vectors.parquet');
  expect(await ledger()).toMatchObject({ paid: paid + 1 });
});

test('the code joins that job, and a worker runs another one', async () => {
  const worker = shell('npx durable-batch worker');
  await until(() => worker.output().includes('Worker on'));
  const program = `"${process.execPath}" --import "${tsx}" snippet-1.ts`;
  const joined = await shell(program).ended;
  expect(joined, joined.err).toMatchObject({ code: 0 });
  for (const id of [1, 2, 3]) expect(joined.out).toMatch(new RegExp(`^${id} answered`, 'm'));
  expect(await ledger()).toMatchObject({ paid: 4 });
  writeFileSync(
    folder.at('requests.jsonl'),
    `${JSON.stringify({ body: { messages: [{ role: 'user', content: 'Another one.' }] } })}\n`,
  );
  for (const _time of [1, 2]) {
    const ended = await shell(program).ended;
    expect(ended, ended.err).toMatchObject({ code: 0 });
    expect(ended.out).toMatch(/^1 answered/);
    expect(await ledger()).toMatchObject({ paid: 5 });
  }
});

test('a schedule can be triggered several times on one day', async () => {
  const days = [0, 1].map((later) => {
    const day = new Date(Date.now() + later * 86_400_000);
    return new Intl.DateTimeFormat('sv-SE', { timeZone: 'Europe/Berlin' }).format(day);
  });
  // Tomorrow's folder too, in case midnight passes.
  for (const day of days) {
    const line = { body: { messages: [{ role: 'user', content: 'A review.' }] } };
    writeFileSync(folder.at(`reviews-${day}.jsonl`), `${JSON.stringify(line)}\n`);
  }
  const created = await shell(scheduleCommand('create')).ended;
  expect(created, created.err).toMatchObject({ code: 0 });
  const before = (await ledger()).paid;
  for (const times of [1, 2]) {
    const triggered = await shell(scheduleCommand('trigger')).ended;
    expect(triggered, triggered.err).toMatchObject({ code: 0 });
    await until(async () => {
      const { out } = await shell(`${scheduleCommand('describe')} --json`).ended;
      const { runs } = JSON.parse(out) as { runs: { status: string; reason: string | null }[] };
      for (const { status, reason } of runs) expect(['running', 'done'], String(reason)).toContain(status);
      return runs.length === times && runs.every(({ status }) => status === 'done');
    });
    const folders = readdirSync(folder.at('results'));
    expect(folders).toHaveLength(times);
    for (const it of folders) expect(readdirSync(folder.at('results', it))).toContain('results.jsonl');
    // Only new lines are sent.
    expect((await ledger()).paid - before).toBe(1);
  }
  const again = await shell(scheduleCommand('create')).ended;
  expect(again).toMatchObject({ code: 2, err: expect.stringContaining('A schedule named reviews exists') });
});

test('in a series, only the lines added to a file are sent', async () => {
  const line = (content: string): string =>
    `${JSON.stringify({ body: { model: 'gpt-5-mini', messages: [{ role: 'user', content }] } })}\n`;
  writeFileSync(folder.at('reviews.jsonl'), line('The first.') + line('The second.'));
  writeFileSync(folder.at('more.jsonl'), line('The third.'));
  const { paid } = await ledger();
  const ended = await shell(step('--only-new reviews')).ended;
  expect(ended, ended.err).toMatchObject({ code: 0 });
  expect(ended.out).toMatch(/^kept +2 answers, bought by earlier jobs$/m);
  expect(await ledger()).toMatchObject({ paid: paid + 3 });
});
