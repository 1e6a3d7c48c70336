import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { findStoredRows, mergedRowTexts, partialResults } from '../../../src/client/stored-rows.ts';
import { BatchError } from '../../../src/core/errors.ts';
import { settledRowsPath } from '../../../src/file-work/records/shard-records.ts';
import { packRetries } from '../../../src/file-work/shards/pack-retries.ts';
import { FolderStore } from '../../../src/store/folder-store.ts';
import { jobFiles } from '../../../src/store/job-files.ts';
import { JOB, mergeFiles, outputRow, plan, requestLine, settle } from '../../support/file-job.ts';
import { openFiles } from '../../support/open-files.ts';
import { TempFolder } from '../../support/temp-folder.ts';

/** Lines of two models in turn, a bad line, and two lines a shard: the shards of the models overlap. */
const lines = (count: number): string =>
  Array.from({ length: count }, (_, i) => {
    if (i === 4) return '{"body":[]}\n';
    const body = { model: i % 3 === 0 ? 'a' : 'b', messages: [{ role: 'user', content: `Prompt ${i}` }] };
    return `${JSON.stringify({ custom_id: `id ${i}`, body })}\n`;
  }).join('');

function keepPlan(folder: string, round: number, value: object): void {
  const path = join(folder, jobFiles.round(JOB, round));
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, JSON.stringify(value));
}

const linesOf = (folder: string, shard: string): number[] =>
  readFileSync(join(folder, `jobs/${JOB}/shards/${shard}/requests.jsonl`), 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => Number((JSON.parse(line) as { custom_id: string }).custom_id));

const answerAll = (folder: string, shard: string, body: object = { n: 1 }): unknown =>
  settle(folder, shard, {
    output: linesOf(folder, shard)
      .map((line) => outputRow(line, body))
      .join(''),
  });

async function textsOf(folder: string): Promise<{ rows: number; lines: number; texts: string[] }> {
  const store = new FolderStore(folder);
  const stored = (await findStoredRows(store, JOB))!;
  const texts: string[] = [];
  for await (const { text } of mergedRowTexts(store, stored.files, JOB)) texts.push(text);
  return { rows: stored.rows, lines: stored.lines, texts };
}

test('a job without shards has no rows, and a job without a settled shard has those of bad lines', async () => {
  using folder = new TempFolder();
  expect(await findStoredRows(new FolderStore(folder.path), JOB)).toBeNull();
  keepPlan(folder.path, 1, plan(folder.path, lines(12), { shardLines: 2, skipBadLines: true }));
  const { rows, lines: all, texts } = await textsOf(folder.path);
  expect([rows, all, texts.length]).toEqual([1, 12, 1]);
  expect(texts[0]).toMatch(/^\{"line":5,.*"code":"bad_line"/);
});

test('hundreds of overlapping shards are merged within the limit of open files', async () => {
  using folder = new TempFolder();
  const files = Array.from({ length: 200 }, (_, i) => ({ key: `${i}`, from: i + 1, rank: 0 }));
  const row = (line: number): string => `{"line":${line},"id":"${'x'.repeat(line % 9 === 0 ? 20_000 : 10)}"}`;
  files.forEach(({ key }, i) => writeFileSync(folder.at(key), `${row(i + 1)}\n${row(i + 201)}\n`));
  const texts: string[] = [];
  const before = openFiles();
  let most = 0;
  for await (const { text } of mergedRowTexts(new FolderStore(folder.path), files, JOB)) {
    texts.push(text);
    if (texts.length % 50 === 0) most = Math.max(most, openFiles());
  }
  expect(texts).toEqual(Array.from({ length: 400 }, (_, i) => row(i + 1)));
  expect(most - before).toBeLessThan(100);
});

test('the rows of settled shards of all rounds are merged in the order of their lines, unchanged, without those of other shards', async () => {
  using folder = new TempFolder();
  const first = plan(folder.path, lines(12), { shardLines: 2, skipBadLines: true });
  keepPlan(folder.path, 1, first);
  // One line of every shard is sent again.
  for (let i = 1; i <= first.shards; i += 1) {
    const shard = `r1-0000${i}`;
    const [one, two] = linesOf(folder.path, shard);
    const more = two === undefined ? '' : outputRow(two, { error: { code: 'trouble' } }, 500);
    settle(folder.path, shard, { output: outputRow(one!, { big: 1, text: '\u2028' }) + more });
  }
  const second = packRetries(folder.path, {
    job: JOB,
    round: 1,
    shards: first.shards,
    shardLines: 2,
    shardBytes: 100_000,
    cancelled: false,
  });
  keepPlan(folder.path, 2, second);
  answerAll(folder.path, 'r2-00001');
  const paths = [folder.at('jobs', JOB, 'rejected.jsonl'), settledRowsPath(folder.path, JOB, 'r2-00001')];
  for (let i = 1; i <= first.shards; i += 1) paths.push(settledRowsPath(folder.path, JOB, `r1-0000${i}`));
  const whole = mergeFiles(paths, folder.at('merged'));
  const { rows, lines: all, texts } = await textsOf(folder.path);
  expect(second.shards).toBeGreaterThan(1);
  expect([rows, all]).toEqual([whole, 12]);
  expect(`${texts.join('\n')}\n`).toBe(readFileSync(folder.at('merged'), 'utf8'));
});

test('a shard whose lines are all sent again has no file of rows, and causes no error', async () => {
  using folder = new TempFolder();
  keepPlan(
    folder.path,
    1,
    plan(folder.path, `${requestLine('a')}\n${requestLine('b')}\n`, { shardLines: 1 }),
  );
  settle(folder.path, 'r1-00001', { output: outputRow(1, { error: { code: 'trouble' } }, 500) });
  answerAll(folder.path, 'r1-00002');
  expect(await textsOf(folder.path)).toMatchObject({
    rows: 1,
    lines: 2,
    texts: [expect.stringMatching(/^\{"line":2,/)],
  });
});

test('the error has the failure of the job, the number of rows, and the command that continues it', () => {
  const failure = new BatchError('job_failed', 'Job job was terminated.');
  const stored = { rows: 3, lines: 10, files: [] };
  expect(partialResults(failure, stored, JOB, null)).toMatchObject({
    code: 'partial_results',
    message:
      'Job job was terminated. The rows above are 3 of 10: the same command as before continues the job, and pays for nothing twice.',
    details: { jobId: JOB, rows: 3, lines: 10 },
    cause: failure,
  });
  const unknown = partialResults(new BatchError('job_not_found', 'No job.'), stored, JOB, '/out/rows');
  expect(unknown.message).toMatch(/^The server no longer has job job, .* \/out\/rows contains 3 of 10: /);
  expect(unknown.details.file).toBe('/out/rows');
  expect(partialResults(failure, stored, JOB, 'v.partial.npy').message).toContain(
    ' v.partial.npy contains 3 of 10, and NaN for lines without a vector: the same command',
  );
});
