/** A job with a price file: report, `status`, Web UI, metrics and an independent sum over its rows show the same amounts. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../../src/temporal/free-port.ts';
import { CliHarness } from '../support/cli-harness.ts';
import { readScrape, type Scrape } from '../support/scrape.ts';

interface Cost {
  readonly model: string;
  readonly round: number;
  readonly cost_usd: number;
  readonly cost_usd_without_batch: number;
}
interface Report extends Cost {
  readonly rounds: number;
  readonly costs: readonly Cost[];
  readonly price_sources: readonly string[];
}
interface Answer {
  readonly id: string;
  readonly attempts: number;
  readonly response: { readonly model: string; readonly usage: Record<string, number> };
}

const lab = new CliHarness();
const out = join(lab.folder, 'out');
let report: Report;
let rows: Answer[];
let scrape: Scrape;

/** In 10^-12 USD a token; the last digits make a sum of rounded rows another one than the rounded sum. */
const own = { input: 1_234_570n, output: 7_654_330n, batchInput: 617_290n, batchOutput: 999_990n };
/** OpenAI's price page of gpt-5-mini, read 25 Nov 2026: 0.25 and 2 USD per million tokens, half of them in batches. */
const published = { input: 250_000n, output: 2_000_000n, batchInput: 125_000n, batchOutput: 1_000_000n };

beforeAll(async () => {
  await lab.useEmulator({
    faults: [{ on: 'line', customId: ['4', '13'], fault: { kind: 'status', status: 500 } }],
  });
  const port = await freePort(undefined);
  lab.start(['worker', '--metrics-port', String(port)]);
  const input = join(lab.folder, 'in.jsonl');
  const lines = Array.from({ length: 20 }, (_, i) => {
    const messages = [{ role: 'user', content: `Question ${i} ${'word '.repeat(i)}` }];
    return JSON.stringify({
      custom_id: String(i),
      body: { model: i < 10 ? 'gpt-5-mini' : 'my-model', messages },
    });
  });
  writeFileSync(input, `${lines.join('\n')}\n`);
  const prices = join(lab.folder, 'prices.yaml');
  writeFileSync(
    prices,
    'date: 2026-11-01\nmodels:\n  my-model: { input: 1.23457, output: 7.65433, batch: { input: 0.61729, output: 0.99999 } }\n',
  );
  const command = ['--out', out, '--no-worker', '--job', 'priced', '--shard-lines', '4', '--poll', '0.1'];
  const started = await lab.run([
    'start',
    input,
    '--job',
    'priced',
    '--shard-lines',
    '4',
    '--poll',
    '0.1',
    '--prices',
    prices,
  ]);
  expect(started.code, started.err).toBe(0);
  rmSync(prices); // the job keeps its prices
  const ended = await lab.run(['run', input, ...command]);
  expect(ended.code, ended.err).toBe(0);
  report = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')) as Report;
  rows = readFileSync(join(out, 'results.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Answer);
  scrape = await readScrape(`http://127.0.0.1:${port}/metrics`);
});
afterAll(async () => {
  await lab.close();
});

/** The sum over the rows of a model and round, in 10^-12 USD, rounded half up to nine decimals. */
function summed(price: 'batch' | 'list', isIncluded: (row: Answer) => boolean): number {
  let pico = 0n;
  for (const row of rows.filter(isIncluded)) {
    const rates = Number(row.id) < 10 ? published : own;
    const {
      prompt_tokens: input,
      completion_tokens: output,
      prompt_tokens_details: details,
    } = row.response.usage;
    expect((details as { cached_tokens?: number } | undefined)?.cached_tokens ?? 0).toBe(0);
    const [perInput, perOutput] =
      price === 'batch' ? [rates.batchInput, rates.batchOutput] : [rates.input, rates.output];
    pico += BigInt(input!) * perInput + BigInt(output!) * perOutput;
  }
  return Number((pico + 500n) / 1_000n) / 1e9;
}
const inRound = (model: string, round: number) => (row: Answer) =>
  (Number(row.id) < 10 ? 'gpt-5-mini' : 'my-model') === model && row.attempts === round;

test('the report has the sum over all rows, also by model and round', () => {
  expect(rows.filter(({ attempts }) => attempts === 2).map(({ id }) => id)).toEqual(['3', '12']);
  expect(report.cost_usd).toBe(summed('batch', () => true));
  expect(report.cost_usd_without_batch).toBe(summed('list', () => true));
  expect(report.costs.map(({ model, round }) => [model, round])).toEqual([
    ['gpt-5-mini', 1],
    ['gpt-5-mini', 2],
    ['my-model', 1],
    ['my-model', 2],
  ]);
  for (const { model, round, ...cost } of report.costs) {
    expect(cost.cost_usd, `${model} ${round}`).toBe(summed('batch', inRound(model, round)));
    expect(cost.cost_usd_without_batch).toBe(summed('list', inRound(model, round)));
  }
  expect(report.price_sources.toSorted()).toEqual([
    '@pydantic/genai-prices of 2026-09-23',
    'price file of 2026-11-01',
  ]);
  const page = readFileSync(join(out, 'report.html'), 'utf8');
  expect(page).toContain('price file of 2026-11-01');
});

test('a malformed price file is refused before anything is sent', async () => {
  const bad = join(lab.folder, 'bad.yaml');
  writeFileSync(bad, 'models:\n  my-model:\n    input: 2.5\n    outptu: 10\n');
  const before = await lab.ledger();
  const { code, err } = await lab.run([
    'run',
    lab.requests(2),
    '--out',
    join(lab.folder, 'no'),
    '--prices',
    bad,
  ]);
  expect({ code, err }).toEqual({
    code: 2,
    err: `durable-batch: ${bad}:4: key models.my-model.outptu does not exist: did you mean output?\n`,
  });
  expect(await lab.ledger()).toEqual(before);
});

test('a job keeps the prices of its first start, and a later start with others says so', async () => {
  const other = join(lab.folder, 'other.yaml');
  writeFileSync(other, 'models: { my-model: { input: 9, output: 9 } }\n');
  const again = ['run', join(lab.folder, 'in.jsonl'), '--job', 'priced', '--shard-lines', '4'];
  const { code, err } = await lab.run([...again, '--out', join(lab.folder, 'again'), '--prices', other]);
  expect(code, err).toBe(0);
  expect(err).toContain('Job priced keeps the prices of its first start: those given now are not used.\n');
  expect(JSON.parse(readFileSync(join(lab.folder, 'again/report.json'), 'utf8'))).toEqual(report);
});

test('status shows the same sums', async () => {
  const { code, out: text } = await lab.run(['status', 'priced', '--json']);
  expect(code).toBe(0);
  const { progress } = JSON.parse(text) as { progress: Report };
  expect(progress).toMatchObject({ cost_usd: report.cost_usd, costs: report.costs });
  expect((await lab.run(['status', 'priced'])).out).toMatch(
    /by round {4}gpt-5-mini, round 1: .*\n {12}gpt-5-mini, round 2: /,
  );
});

test('metrics have the same sums', () => {
  const sum = (labels: Record<string, string>): number =>
    Number(scrape.sum('durable_batch_shard_cost_usd_sum', labels).toFixed(9));
  expect(sum({ price: 'batch' })).toBe(report.cost_usd);
  expect(sum({ price: 'list' })).toBe(report.cost_usd_without_batch);
  for (const { model, round, cost_usd: cost } of report.costs)
    expect(sum({ price: 'batch', model, round: String(round) })).toBe(cost);
});
