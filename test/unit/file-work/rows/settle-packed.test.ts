/** The settling of shards of embeddings whose lines share requests. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { indexAnswers } from '../../../../src/file-work/earlier/index-answers.ts';
import { packRebuys } from '../../../../src/file-work/shards/pack-rebuys.ts';
import { countAnswers } from '../../../../src/file-work/rows/count-answers.ts';
import { publishedRates } from '../../../../src/prices/published-prices.ts';
import { jobFiles, shardFiles } from '../../../../src/store/job-files.ts';
import {
  JOB,
  manifestOf,
  neverRanRow,
  outputRow,
  requestsOf,
  settle,
  shardRows,
} from '../../../support/file-job.ts';
import {
  nextRound,
  packedText,
  planPacked,
  textLine,
  uploaded,
  vectorBody,
  vectorItems,
  vectorRow,
} from '../../../support/packed-job.ts';
import { TempFolder } from '../../../support/temp-folder.ts';

const shard = 'r1-00001';
const second = 'r2-00001';
const linesOf = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => textLine(`${i + 1} is a text`));
const twoRequests = [1, 2, 3, 4].map((n) => textLine(`${n}`, { dimensions: n < 3 ? 8 : 9 }));
const refusal = { error: { code: 'context_length_exceeded', message: 'Input 2 is too long.' } };

test('each row gets its own vector and its share of the tokens, whatever the order', () => {
  using folder = new TempFolder();
  planPacked(folder.path, linesOf(3));
  const [request] = uploaded(folder.path, shard);
  const items = vectorItems(request!.texts);
  const { usage, ...body } = vectorBody([items[2]!, items[0]!, items[1]!], 100);
  const raw = { output: outputRow(1, { usage, id: 'é', ...body }) };
  const outcome = settle(folder.path, shard, raw, { rates: publishedRates('text-embedding-3-small') });
  expect(outcome).toMatchObject({ answered: 3, failed: 0, again: [], inputTokens: 100 });
  expect(outcome!.cost).toBe(String(100 * 20_000));
  const rows = shardRows(folder.path, shard);
  expect(rows.map(({ line, usage: tokens }) => [line, tokens!.input_tokens])).toEqual([
    [1, 33],
    [2, 33],
    [3, 34],
  ]);
  expect(rows.map(({ response }) => response)).toEqual(
    [33, 33, 34].map((tokens, i) => ({
      id: 'é',
      object: 'list',
      data: [{ object: 'embedding', index: 0, embedding: [i + 1, -0.25] }],
      model: 'text-embedding-3-small',
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    })),
  );
});

test('an answer of a large file, in a string, or without numbers of its vectors is the same', () => {
  const pad = outputRow('other', 'x'.repeat(13 << 20));
  const plain = vectorBody(vectorItems(['1', '2']), 9);
  const bare = vectorBody(
    vectorItems(['1', '2']).map(({ object, embedding }) => ({ object, embedding })),
    9,
  );
  const rowsFor = (output: string): unknown[] => {
    using other = new TempFolder();
    planPacked(other.path, linesOf(2));
    settle(other.path, shard, { output });
    return shardRows(other.path, shard).map(({ response }) => response);
  };
  const expected = rowsFor(outputRow(1, plain));
  expect(expected).toMatchObject([
    { data: [{ embedding: [1, -0.25] }] },
    { data: [{ embedding: [2, -0.25] }] },
  ]);
  expect(rowsFor(pad + outputRow(1, plain))).toEqual(expected);
  expect(rowsFor(outputRow(1, JSON.stringify(plain)))).toEqual(expected);
  expect(JSON.stringify(rowsFor(outputRow(1, bare)))).toBe(
    JSON.stringify(expected).replaceAll('"index":0,', ''),
  );
});

test.each([
  ['fewer vectors, with their own numbers', [0, 1, 3]],
  ['fewer vectors, counted on', [0, 1, 2]],
  ['one vector twice', [0, 1, 2, 2, 3]],
  ['one vector twice, and another one not', [0, 1, 1, 3]],
  ['more vectors', [0, 1, 2, 3, 4]],
  ['a number out of range', [0, 1, 4, 3]],
  ['a number that is none', [0, 1, 'two', 3]],
  ['a vector without a number', [0, 1, undefined, 3]],
  ['fewer vectors, without numbers', [undefined, undefined, undefined]],
  ['no vectors', []],
])('an answer with %s: no row gets the vector of another; each is sent alone', (_, indexes) => {
  using folder = new TempFolder();
  const round = planPacked(folder.path, linesOf(4), { attempts: 1 });
  const data = indexes.map((index) => ({
    object: 'embedding' as const,
    ...(index === undefined ? {} : { index: index as number }),
    embedding: [Number(index) + 1],
  }));
  const raw = { output: outputRow(1, vectorBody(data, 40)) };
  const outcome = settle(folder.path, shard, raw, { attempts: 1 });
  expect(outcome).toMatchObject({
    answered: 0,
    failed: 0,
    again: [1, 2, 3, 4].map((line) => [line, 1, 1]),
    errors: { missing_vector: 4 },
    inputTokens: 40,
  });
  nextRound(folder.path, 1, round);
  expect(uploaded(folder.path, second).map(({ texts }) => texts.length)).toEqual([1, 1, 1, 1]);
});

test('a refusal of several rows is not final: each is sent alone, and only the one at fault fails', () => {
  using folder = new TempFolder();
  const round = planPacked(folder.path, linesOf(3), { attempts: 1 });
  const refused = settle(folder.path, shard, { errors: outputRow(1, refusal, 400) }, { attempts: 1 });
  expect(refused).toMatchObject({ answered: 0, failed: 0, errors: { context_length_exceeded: 3 } });
  expect(refused).not.toHaveProperty('accountRefused');
  nextRound(folder.path, 1, round);
  const requests = uploaded(folder.path, second);
  expect(requests.map(({ texts }) => texts.length)).toEqual([1, 1, 1]);
  expect(packedText(folder.path, second)).toBe(requestsOf(folder.path, second));
  const [first, , third] = requests;
  const raw = { output: vectorRow(third!, 2) + vectorRow(first!, 2), errors: outputRow(2, refusal, 400) };
  expect(settle(folder.path, second, raw, { attempts: 1 })).toMatchObject({ answered: 2, failed: 1 });
  expect(shardRows(folder.path, second)).toMatchObject([
    { line: 1, status: 'answered', attempts: 2 },
    { line: 2, status: 'failed', attempts: 2, error: refusal.error },
    { line: 3, status: 'answered', attempts: 2 },
  ]);
});

test('a row that is alone stays alone; others that never ran are packed again', () => {
  using folder = new TempFolder();
  const round = planPacked(folder.path, twoRequests);
  const errors = outputRow(1, refusal, 400) + neverRanRow(3, 'batch_expired');
  settle(folder.path, shard, { errors }, { status: 'expired' });
  const next = nextRound(folder.path, 1, round);
  expect(uploaded(folder.path, second).map(({ texts }) => texts)).toEqual([['1'], ['2'], ['3', '4']]);
  const expired = [1, 2, 3].map((line) => neverRanRow(line, 'batch_expired')).join('');
  settle(folder.path, second, { errors: expired }, { status: 'expired' });
  nextRound(folder.path, 2, next);
  expect(uploaded(folder.path, 'r3-00001').map(({ texts }) => texts)).toEqual([['1'], ['2'], ['3', '4']]);
});

test('rows that fail together use an attempt each, and the others alone', () => {
  using folder = new TempFolder();
  const round = planPacked(folder.path, linesOf(2));
  const trouble = { errors: outputRow(1, { error: { code: 'server_error' } }, 500) };
  expect(settle(folder.path, shard, trouble)!.again).toEqual([
    [1, 1, 1],
    [2, 1, 1],
  ]);
  nextRound(folder.path, 1, round);
  expect(uploaded(folder.path, second)).toHaveLength(2);
});

test('the lines that validation names are requests: a shared one is sent again row by row', () => {
  using folder = new TempFolder();
  const lines = [1, 2, 3, 4, 5].map((n) => textLine(`${n}`, { dimensions: n < 3 ? 8 : n < 5 ? 9 : 10 }));
  const round = planPacked(folder.path, lines);
  const entry = { code: 'invalid_request', message: 'bad', param: null };
  const refused = [2, 3, 4].map((line) => ({ ...entry, line }));
  const outcome = settle(folder.path, shard, {}, { status: 'failed', refused });
  expect(outcome).toMatchObject({ failed: 1, refusal: { named: 3 } });
  expect(shardRows(folder.path, shard)).toMatchObject([{ line: 5, status: 'failed' }]);
  nextRound(folder.path, 1, round);
  expect(uploaded(folder.path, second).map(({ texts }) => texts)).toEqual([['1', '2'], ['3'], ['4']]);
});

test('answers of duplicates are used or counted row by row, and an unreadable one ends all its rows', () => {
  using folder = new TempFolder();
  planPacked(folder.path, twoRequests);
  const [first, last] = uploaded(folder.path, shard);
  const both = vectorRow(first!, 30) + vectorRow(last!, 31);
  const outcome = settle(folder.path, shard, {
    output: vectorRow(first!, 9),
    duplicates: { batch_2: both },
  });
  expect(outcome).toMatchObject({ answered: 4, inputTokens: 40, twice: { answers: 2, inputTokens: 30 } });
  expect(shardRows(folder.path, shard).map(({ batch_id: id }) => id)).toEqual(
    [1, 1, 2, 2].map((batch) => `batch_${batch}`),
  );
  const output = shardFiles.output(JOB, shard, 1);
  expect(countAnswers(folder.path, { job: JOB, shard, output })).toMatchObject({
    answers: 2,
    inputTokens: 9,
  });

  using other = new TempFolder();
  planPacked(other.path, linesOf(3));
  const [request] = uploaded(other.path, shard);
  const broken = `${vectorRow(request!, 30).slice(0, 140)}\n`;
  expect(settle(other.path, shard, { output: broken })).toMatchObject({
    failed: 3,
    errors: { answer_unreadable: 3 },
  });
});

test('another pass packs the rows again, and later jobs know each row by a request of its own', () => {
  using folder = new TempFolder();
  const round = planPacked(folder.path, twoRequests);
  mkdirSync(dirname(folder.at(jobFiles.round(JOB, 1))), { recursive: true });
  writeFileSync(folder.at(jobFiles.round(JOB, 1)), JSON.stringify(round));
  const [first] = uploaded(folder.path, shard);
  settle(folder.path, shard, { output: vectorRow(first!, 8) }, { missing: 'unavailable' });
  const target = jobFiles.answers(JOB, 1);
  expect(indexAnswers(folder.path, { job: JOB, rounds: 1, target })).toBe(2);

  const limits = { shardLines: 100, shardBytes: 100_000 };
  const pass = packRebuys(folder.path, { job: JOB, round: 1, which: 'lost', ...limits });
  expect(pass).toMatchObject({ lines: 2, rebought: true });
  expect(uploaded(folder.path, second)).toEqual([{ line: 3, texts: ['3', '4'] }]);
  expect(manifestOf(folder.path, second)).toMatchObject({
    packs: [[1, 1]],
    carried: [
      [3, 1, 0, 0],
      [4, 1, 0, 0],
    ],
  });
});

test('all rows of a request without a row are missing', () => {
  using folder = new TempFolder();
  planPacked(folder.path, linesOf(3));
  expect(settle(folder.path, shard, { output: '' }, { missing: 'ask' })).toBe(null);
  // A row of a line that is not the first of its request belongs to no request.
  const outcome = settle(folder.path, shard, { output: vectorRow({ line: 2, texts: ['2'] }, 3) });
  expect(outcome).toMatchObject({ answered: 0, errors: { missing_row: 3 } });
});
