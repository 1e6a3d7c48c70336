/** The job files of `examples`, run offline as their READMEs describe. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { execPath } from 'node:process';
import { DuckDBInstance } from '@duckdb/node-api';
import proto from '@temporalio/proto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BatchClient, type RunStatus } from '../../src/client/index.ts';
import { CliHarness, until } from '../support/cli-harness.ts';

const examples = resolve(import.meta.dirname, '../../examples');
const REVIEWS = 3_708;
const lab = new CliHarness();

beforeAll(async () => {
  await lab.useEmulator({});
  lab.start(['worker']);
});
afterAll(async () => {
  await lab.close();
});

/** Runs a job file and returns the path of its table, which has the given name. */
async function table(jobFile: string, name: string, ...more: string[]): Promise<string> {
  const out = join(lab.folder, name);
  const { code, err } = await lab.run([
    'run',
    join(examples, jobFile),
    ...more,
    '--out',
    out,
    '--poll',
    '0.2',
    '--no-worker', // the one of all tests does the work
  ]);
  expect({ code, err }).toMatchObject({ code: 0 });
  return out;
}

async function query(sql: string): Promise<unknown[]> {
  const connection = await (await DuckDBInstance.create()).connect();
  return (await connection.runAndReadAll(sql)).getRowObjectsJson();
}

test('the sentiment of each review is a column beside it', async () => {
  const path = await table('reviews/sentiment.job.yaml', 'sentiment.parquet');
  expect(
    await query(
      `SELECT count(*)::INT AS rows, count(DISTINCT id)::INT AS ids, list(DISTINCT sentiment ORDER BY sentiment) AS labels FROM '${path}'`,
    ),
  ).toEqual([{ rows: REVIEWS, ids: REVIEWS, labels: ['negative', 'neutral', 'positive'] }]);
  const [first] = await query(`FROM '${path}' LIMIT 1`);
  expect(first).toMatchObject({ id: '1_1', human_rating: '-0.9', status: 'answered', error: null });
});

test('the classes of each review have their types', async () => {
  const path = await table('reviews/classify.job.yaml', 'topics.csv');
  const [counted] = await query(
    `SELECT count(*)::INT AS rows, count(topic)::INT AS topics, any_value(typeof(names_fault)) AS type FROM '${path}'`,
  );
  expect(counted).toEqual({ rows: REVIEWS, topics: REVIEWS, type: 'BOOLEAN' });
});

test('each review has a text', async () => {
  const path = await table('reviews/translate.job.yaml', 'german.jsonl');
  const [counted] = await query(
    `SELECT count(*)::INT AS rows, count(nullif(answer, ''))::INT AS answers FROM '${path}'`,
  );
  expect(counted).toEqual({ rows: REVIEWS, answers: REVIEWS });
});

test('documents have vectors, of which the nearest are found', async () => {
  const input = join(examples, '../docs/*.md');
  const path = await table('documents/embed.job.yaml', 'vectors.parquet', input);
  const [{ type, chunks, documents, path: document }] = (await query(
    `SELECT any_value(typeof(embedding)) AS type, count(*)::INT AS chunks, count(DISTINCT path)::INT AS documents, min(path) AS path FROM '${path}' WHERE len(embedding) > 0`,
  )) as [{ type: string; chunks: number; documents: number; path: string }];
  expect(type).toBe('FLOAT[]');
  expect(chunks).toBeGreaterThan(documents);
  const program = join(examples, 'documents/nearest.js');
  const nearest = execFileSync(execPath, [program, path, document], { encoding: 'utf8' });
  const lines = nearest.split('\n').slice(0, -1);
  expect(lines).toHaveLength(5);
  for (const line of lines) expect(line).toMatch(/^-?\d\.\d{3} {2}.*\.md$/);
});

test('a nightly schedule labels the new reviews of its day only, and no history has the prompt', async () => {
  const folder = join(lab.folder, 'nightly', 'job');
  mkdirSync(join(folder, 'new'), { recursive: true });
  const file = join(folder, 'nightly.job.yaml');
  const text = readFileSync(join(examples, 'reviews/nightly.job.yaml'), 'utf8');
  writeFileSync(file, text.replace('../../out/', '../'));
  const day = new Date().toISOString().slice(0, 10);
  const [header, ...reviews] = readFileSync(join(examples, 'reviews/reviews.csv'), 'utf8').split('\n');
  const write = (rows: number): void =>
    writeFileSync(join(folder, `new/reviews-${day}.csv`), [header, ...reviews.slice(0, rows), ''].join('\n'));
  const name = 'nightly-sentiment';
  const created = await lab.run([
    'schedule',
    'create',
    name,
    file,
    '--every',
    '300d',
    '--only-new',
    '--poll',
    '0.1',
  ]);
  expect(created).toMatchObject({ code: 0, out: expect.stringContaining('one for each row') });
  await using client = await BatchClient.connect({ home: lab.home });

  const night = async (): Promise<{ report: unknown; rows: unknown }> => {
    const job = (await client.schedules.get(name).trigger())!;
    let done: RunStatus | undefined;
    await until(async () => {
      const { runs } = await client.schedules.get(name).describe();
      done = runs.find((run) => run.job === job && run.status !== 'running');
      return done !== undefined;
    });
    expect(done).toMatchObject({ status: 'done', reason: null });
    const table = join(lab.folder, 'nightly', `sentiment-${job}.parquet`);
    const rows = await query(`SELECT count(*)::INT AS rows, count(sentiment)::INT AS labels FROM '${table}'`);
    // Neither of the job, nor of the run that has started it, which has the schedule's spec.
    const run = `${name}-run-${done!.dueAt.slice(0, 19)}Z`;
    for (const workflow of [job, run]) {
      const history = proto.temporal.api.history.v1.History.encode(await client.history(workflow)).finish();
      expect(Buffer.from(history).includes(name)).toBe(true);
      expect(Buffer.from(history).includes('customer review')).toBe(false);
    }
    return { report: done!.report, rows };
  };

  write(5);
  expect(await night()).toMatchObject({ report: { answered: 5, reused: 0 }, rows: [{ rows: 5, labels: 5 }] });
  write(7);
  const { paid } = await lab.ledger();
  expect(await night()).toMatchObject({ report: { answered: 7, reused: 5 }, rows: [{ rows: 7, labels: 7 }] });
  expect((await lab.ledger()).paid - paid).toBe(2);

  // Only the times and the model change: the prompt stays, and another model knows no answer yet.
  const updated = await lab.run(['schedule', 'update', name, '--every', '200d', '--model', 'gpt-5-nano']);
  expect(updated).toMatchObject({ code: 0, out: expect.stringContaining('every 200d') });
  expect(await night()).toMatchObject({ report: { answered: 7, reused: 0 } });

  rmSync(join(folder, `new/reviews-${day}.csv`));
  await client.schedules.get(name).trigger();
  await until(async () => (await client.schedules.get(name).describe()).runs[0]?.status === 'skipped');
});
