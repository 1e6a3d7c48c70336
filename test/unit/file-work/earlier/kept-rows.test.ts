import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { shardId } from '../../../../src/core/shard-plan.ts';
import { ENTRY_BYTES } from '../../../../src/file-work/earlier/answer-index.ts';
import { shardInput, type ShardedInput } from '../../../../src/file-work/shards/shard-input.ts';
import { indexAnswers } from '../../../../src/file-work/earlier/index-answers.ts';
import { KEY_BYTES } from '../../../../src/file-work/requests/request-key.ts';
import { settledRowsPath } from '../../../../src/file-work/records/shard-records.ts';
import { jobFiles, shardFiles } from '../../../../src/store/job-files.ts';
import { JOB, outputRow, plan, requestLine, rowsIn, settle, specFor } from '../../../support/file-job.ts';
import { TempFolder } from '../../../support/temp-folder.ts';

const earlier = [{ job: JOB, index: jobFiles.answers(JOB, 1) }];

/** Simulates a job of these texts until it is answered and indexed. */
function answer(folder: string, texts: readonly string[]): void {
  const round = plan(folder, texts.map((text) => `${requestLine(text)}\n`).join(''));
  mkdirSync(dirname(join(folder, jobFiles.round(JOB, 1))), { recursive: true });
  writeFileSync(join(folder, jobFiles.round(JOB, 1)), JSON.stringify(round));
  settle(folder, shardId(1, 0), {
    output: texts.map((text, i) => outputRow(i + 1, { answer: text })).join(''),
  });
  expect(indexAnswers(folder, { job: JOB, rounds: 1, target: jobFiles.answers(JOB, 1) })).toBe(texts.length);
}

/** Builds a second job of these lines; returns the result. */
function buildNext(folder: string, lines: string): ShardedInput {
  return shardInput(folder, { spec: { ...specFor(folder, lines), jobId: 'next' }, earlier });
}

test('a kept row has the present number and id, and exactly the bytes of the answer', () => {
  using folder = new TempFolder();
  const long = 'x'.repeat(600_000); // longer than a block
  answer(folder.path, ['a', long, 'ü\u2028']);
  const input = `\n${requestLine('ü\u2028')}\n${requestLine('new')}\n${requestLine(long, { custom_id: 'its "id"' })}\n`;
  expect(buildNext(folder.path, input)).toEqual({
    plan: { shards: 1, lines: 1, shardLines: [1], rejected: 0, kept: 2, models: ['gpt-4o-mini'] },
  });
  const rows = rowsIn(folder.at(jobFiles.kept('next')));
  expect(rows.map(({ line, id, response }) => [line, id, response])).toEqual([
    [2, '2', { answer: 'ü\u2028' }],
    [4, 'its "id"', { answer: long }],
  ]);
  expect(readFileSync(folder.at(shardFiles.requests('next', 'r1-00001')), 'utf8')).toContain(
    '"custom_id":"3"',
  );
});

/** Gives a job's requests raw separators, as uploaded by earlier versions; returns the keys of those versions. */
function asUploadedBefore(folder: string): Buffer[] {
  const path = join(folder, shardFiles.requests(JOB, shardId(1, 0)));
  const raw = readFileSync(path, 'utf8').replaceAll('\\u2028', '\u2028').replaceAll('\\u0085', '\u0085');
  writeFileSync(path, raw);
  return raw
    .split('\n')
    .slice(0, -1)
    .map((line) =>
      createHash('sha256')
        .update(line.slice(line.indexOf('","method"')))
        .digest(),
    );
}

test.each([1, 2, 3, 100])(
  'answers to lines with raw separators are found in indexes of earlier versions, and in new ones of their files: %d lines',
  (count) => {
    using folder = new TempFolder();
    const texts = Array.from({ length: count }, (_, i) => `${i}\u2028\u0085`);
    answer(folder.path, texts);
    const index = folder.at(jobFiles.answers(JOB, 1));
    const now = readFileSync(index);
    const keys = asUploadedBefore(folder.path);
    indexAnswers(folder.path, { job: JOB, rounds: 1, target: jobFiles.answers(JOB, 1) });
    expect(readFileSync(index)).toEqual(now);
    const before = Buffer.from(now);
    for (const [i, key] of keys.entries()) key.copy(before, i * ENTRY_BYTES, 0, KEY_BYTES);
    expect(before.equals(now)).toBe(false);
    const input = [...texts, ...texts, 'new\u2028'].map((text) => `${requestLine(text)}\n`).join('');
    for (const bytes of [now, before]) {
      writeFileSync(index, bytes);
      expect(buildNext(folder.path, input)).toMatchObject({ plan: { lines: 1, kept: 2 * count } });
      const rows = rowsIn(folder.at(jobFiles.kept('next')));
      expect(rows.map(({ line, response }) => [line, response])).toEqual(
        [...texts, ...texts].map((text, i) => [i + 1, { answer: text }]),
      );
    }
  },
);

test('an input of known lines only has no shard', () => {
  using folder = new TempFolder();
  answer(folder.path, ['a']);
  expect(buildNext(folder.path, `${requestLine('a')}\n`)).toEqual({
    plan: { shards: 0, lines: 0, shardLines: [], rejected: 0, kept: 1, models: [] },
  });
});

test('a refused input leaves nothing behind', () => {
  using folder = new TempFolder();
  answer(folder.path, ['a']);
  expect(buildNext(folder.path, `${requestLine('a')}\nnot json\n`)).toMatchObject({ fault: { line: 2 } });
  expect(readdirSync(folder.at('jobs', 'next'))).toEqual([]);
});

test('an input that has changed is refused', () => {
  using folder = new TempFolder();
  answer(folder.path, ['a']);
  const spec = { ...specFor(folder.path, `${requestLine('a')}\n`), jobId: 'next' };
  appendFileSync(spec.input.path, `${requestLine('b')}\n`);
  expect(shardInput(folder.path, { spec, earlier })).toMatchObject({
    fault: { reason: 'has changed since the job was started' },
  });
});

test.each([
  ['rows', (folder: string) => settledRowsPath(folder, JOB, 'r1-00001')],
  ['index', (folder: string) => join(folder, jobFiles.answers(JOB, 1))],
])('an earlier job whose %s was deleted meanwhile is reported, and no files are left', (_, pathIn) => {
  using folder = new TempFolder();
  answer(folder.path, ['a']);
  rmSync(pathIn(folder.path));
  expect(buildNext(folder.path, `${requestLine('a')}\n`)).toEqual({ gone: JOB });
  expect(readdirSync(folder.at('jobs', 'next'))).toEqual([]);
});

test('rows that do not match their index are not reused', () => {
  using folder = new TempFolder();
  answer(folder.path, ['a']);
  const rows = settledRowsPath(folder.path, JOB, 'r1-00001');
  writeFileSync(rows, readFileSync(rows, 'utf8').replace('{"line":1,', '{"line": 1,'));
  expect(buildNext(folder.path, `${requestLine('a')}\n`)).toEqual({ gone: JOB });
});

test('a job whose files are missing is not indexed', () => {
  using folder = new TempFolder();
  answer(folder.path, ['a']);
  rmSync(settledRowsPath(folder.path, JOB, 'r1-00001'));
  rmSync(folder.at(jobFiles.answers(JOB, 1)));
  expect(indexAnswers(folder.path, { job: JOB, rounds: 1, target: jobFiles.answers(JOB, 1) })).toBe(null);
  expect(readdirSync(folder.at('jobs', JOB)).filter((name) => name.includes('index'))).toEqual([]);
  rmSync(folder.at('jobs', JOB), { recursive: true });
  expect(indexAnswers(folder.path, { job: JOB, rounds: 1, target: jobFiles.answers(JOB, 1) })).toBe(null);
  expect(existsSync(folder.at('jobs', JOB))).toBe(false);
});
