/** The job files of `examples`, run offline as their READMEs describe. */
import { execFileSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { execPath } from 'node:process';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CliHarness } from '../support/cli-harness.ts';

const examples = resolve(import.meta.dirname, '../../examples');
const REVIEWS = 3_708;
const lab = new CliHarness();

beforeAll(async () => {
  await lab.useEmulator({});
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
