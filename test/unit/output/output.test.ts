import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { checkOutputFolder } from '../../../src/output/check-output.ts';
import { copyResults, writePartialResults } from '../../../src/output/write-output.ts';
import { FolderStore } from '../../../src/store/folder-store.ts';
import { jobFiles } from '../../../src/store/job-files.ts';
import type { Store } from '../../../src/store/store.ts';
import { TempFolder } from '../../support/temp-folder.ts';

const report = (job: unknown): string => JSON.stringify({ job_id: job });

test('creates a missing folder, and leaves it empty', async () => {
  using folder = new TempFolder();
  await checkOutputFolder(folder.at('new', 'folder'), 'mine');
  expect(readdirSync(folder.at('new', 'folder'))).toEqual([]);
});

test.each<[verdict: string | null, title: string, files: Record<string, string>]>([
  [null, 'other files', { 'notes.txt': 'x' }],
  [null, 'results of the same job', { 'results.jsonl': '', 'report.json': report('mine') }],
  [null, 'a report of the same job', { 'report.json': report('mine') }],
  [
    'the results of job theirs',
    'results of another job',
    { 'results.jsonl': '', 'report.json': report('theirs') },
  ],
  ['results without a job id', 'results without a report', { 'results.jsonl': '' }],
  [
    null,
    'results of the same job whose report is still missing',
    { 'results.jsonl': '', '.durable-batch-job': 'mine' },
  ],
  [
    'the results of job theirs',
    'such results of another job',
    { 'results.jsonl': '', '.durable-batch-job': 'theirs' },
  ],
  [
    null,
    'a part of the results of the same job',
    { 'results.partial.jsonl': '', '.durable-batch-job': 'mine' },
  ],
  [
    'the results of job theirs',
    'a part of the results of another job',
    { 'results.partial.jsonl': '', '.durable-batch-job': 'theirs' },
  ],
  ['results without a job id', 'partial results without a job id', { 'results.partial.jsonl': '' }],
  ['results without a job id', 'a report that is not JSON', { 'report.json': '{"job_id":' }],
  ['results without a job id', 'a report without a job id', { 'report.json': '{}' }],
])('reports %s for a folder with %s', async (verdict, _, files) => {
  using folder = new TempFolder();
  for (const [name, text] of Object.entries(files)) writeFileSync(folder.at(name), text);
  const checked = checkOutputFolder(folder.path, 'mine');
  if (verdict === null) await checked;
  else {
    await expect(checked).rejects.toMatchObject({
      code: 'bad_output',
      message: expect.stringContaining(`holds ${verdict}`) as string,
      details: { file: folder.path },
    });
  }
  expect(readdirSync(folder.path).sort()).toEqual(Object.keys(files).sort());
});

test('refuses a folder that is a file, or that cannot be created, and does not retry forever', async () => {
  using folder = new TempFolder();
  writeFileSync(folder.at('file'), 'kept');
  await expect(checkOutputFolder(folder.at('file'), 'mine')).rejects.toMatchObject({
    code: 'bad_output',
    message: `${folder.at('file')}: the folder cannot be created, because a file has its name or is part of its path: choose another folder or fix the permissions above it.`,
  });
  expect(readFileSync(folder.at('file'), 'utf8')).toBe('kept');
  for (const path of ['/proc/x', '/proc/x/y'])
    await expect(checkOutputFolder(path, 'mine')).rejects.toMatchObject({
      code: 'bad_output',
      message: expect.stringContaining('cannot be created (ENOENT)') as string,
    });
});

test('refuses a path below a file', async () => {
  using folder = new TempFolder();
  writeFileSync(folder.at('file'), '');
  await expect(checkOutputFolder(folder.at('file', 'below'), 'mine')).rejects.toMatchObject({
    code: 'bad_output',
    message: expect.stringContaining(
      'cannot be created, because a file has its name or is part of its path',
    ) as string,
  });
  await expect(checkOutputFolder(folder.at('file'), 'mine')).rejects.toMatchObject({ code: 'bad_output' });
});

/** Puts finished files of the job into the store. */
async function finish(
  store: Store,
  files: Partial<Record<'results' | 'page' | 'report', string>>,
): Promise<void> {
  for (const [name, text] of Object.entries(files))
    await store.replace(jobFiles[name as keyof typeof files]('mine'), text);
}

test('copies results, page and report, over earlier ones, and leaves no other file', async () => {
  using folder = new TempFolder();
  mkdirSync(folder.at('out'));
  const store = new FolderStore(folder.at('store'));
  await finish(store, { results: 'rows\n', page: '<!doctype html>', report: report('mine') });
  writeFileSync(folder.at('out', 'results.jsonl'), 'earlier and longer\n');
  await copyResults(store, 'mine', folder.at('out'));
  expect(readdirSync(folder.at('out')).sort()).toEqual(['report.html', 'report.json', 'results.jsonl']);
  expect(readFileSync(folder.at('out', 'report.html'), 'utf8')).toBe('<!doctype html>');
  expect(readFileSync(folder.at('out', 'results.jsonl'), 'utf8')).toBe('rows\n');
  expect(readFileSync(folder.at('out', 'report.json'), 'utf8')).toBe(report('mine'));
});

test('a job without a page is copied', async () => {
  using folder = new TempFolder();
  mkdirSync(folder.at('out'));
  const store = new FolderStore(folder.at('store'));
  await finish(store, { results: 'rows\n', report: report('mine') });
  await copyResults(store, 'mine', folder.at('out'));
  expect(readdirSync(folder.at('out')).sort()).toEqual(['report.json', 'results.jsonl']);
});

test('a copy that fails leaves nothing, and no report without results', async () => {
  using folder = new TempFolder();
  mkdirSync(folder.at('out'));
  const store = new FolderStore(folder.at('store'));
  await finish(store, { report: report('mine') });
  const copied = copyResults(store, 'mine', folder.at('out'));
  await expect(copied).rejects.toThrow('ENOENT');
  expect(readdirSync(folder.at('out'))).toEqual([]);
});

async function* rows(count: number, fails = false): AsyncGenerator<string> {
  for (let i = 1; i <= count; i += 1) yield `{"line":${i}}`;
  if (fails) throw new Error('no more');
}

test('partial results are written atomically, replaced, and removed when the results are copied', async () => {
  using folder = new TempFolder();
  mkdirSync(folder.at('out'));
  const path = await writePartialResults(rows(3), folder.at('out'), 'mine');
  expect(path).toBe(folder.at('out', 'results.partial.jsonl'));
  await writePartialResults(rows(40_000), folder.at('out'), 'mine');
  expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(40_001);
  await expect(writePartialResults(rows(2, true), folder.at('out'), 'mine')).rejects.toThrow('no more');
  expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(40_001);
  const store = new FolderStore(folder.at('store'));
  await finish(store, { results: 'rows\n' });
  await expect(copyResults(store, 'mine', folder.at('out'))).rejects.toThrow('ENOENT');
  await checkOutputFolder(folder.at('out'), 'mine');
  await finish(store, { report: report('mine') });
  await copyResults(store, 'mine', folder.at('out'));
  expect(readdirSync(folder.at('out')).sort()).toEqual(['report.json', 'results.jsonl']);
});
