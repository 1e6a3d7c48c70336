import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { checkOutputFolder } from '../../../src/output/check-output.ts';
import { copyResults, writePartialResults } from '../../../src/output/write-output.ts';
import { FolderStore } from '../../../src/store/folder-store.ts';
import { jobFiles } from '../../../src/store/job-files.ts';
import type { Store } from '../../../src/store/store.ts';
import { TempFolder } from '../../support/temp-folder.ts';

const report = (job: unknown): string => JSON.stringify({ job_id: job });

test('makes a folder that is not there, and leaves nothing in it', async () => {
  using folder = new TempFolder();
  await checkOutputFolder(folder.at('new', 'folder'), 'mine');
  expect(readdirSync(folder.at('new', 'folder'))).toEqual([]);
});

test.each<[verdict: string | null, title: string, files: Record<string, string>]>([
  [null, 'other files', { 'notes.txt': 'x' }],
  [null, 'results of the same job', { 'results.jsonl': '', 'report.json': report('mine') }],
  [null, 'a report of the same job', { 'report.json': report('mine') }],
  ['job theirs', 'results of another job', { 'results.jsonl': '', 'report.json': report('theirs') }],
  ['something else', 'results without a report', { 'results.jsonl': '' }],
  [
    null,
    'results of the same job whose report is still missing',
    { 'results.jsonl': '', '.durable-batch-job': 'mine' },
  ],
  ['job theirs', 'such results of another job', { 'results.jsonl': '', '.durable-batch-job': 'theirs' }],
  [
    null,
    'a part of the results of the same job',
    { 'results.partial.jsonl': '', '.durable-batch-job': 'mine' },
  ],
  [
    'job theirs',
    'a part of the results of another job',
    { 'results.partial.jsonl': '', '.durable-batch-job': 'theirs' },
  ],
  ['something else', 'a part of nobody', { 'results.partial.jsonl': '' }],
  ['something else', 'a report that is no JSON', { 'report.json': '{"job_id":' }],
  ['something else', 'a report of no job', { 'report.json': '{}' }],
])('refuses %s where there are %s', async (verdict, _, files) => {
  using folder = new TempFolder();
  for (const [name, text] of Object.entries(files)) writeFileSync(folder.at(name), text);
  const checked = checkOutputFolder(folder.path, 'mine');
  if (verdict === null) await checked;
  else {
    await expect(checked).rejects.toMatchObject({
      code: 'bad_output',
      message: expect.stringContaining(`holds the results of ${verdict}`) as string,
      details: { file: folder.path },
    });
  }
  expect(readdirSync(folder.path).sort()).toEqual(Object.keys(files).sort());
});

test('refuses a folder that is a file, or that cannot be made, and does not try for ever', async () => {
  using folder = new TempFolder();
  writeFileSync(folder.at('file'), 'kept');
  await expect(checkOutputFolder(folder.at('file'), 'mine')).rejects.toMatchObject({
    code: 'bad_output',
    message: `${folder.at('file')}: the folder cannot be made, as a file stands there or in its path: choose another folder or mend the permissions above it.`,
  });
  expect(readFileSync(folder.at('file'), 'utf8')).toBe('kept');
  for (const path of ['/proc/x', '/proc/x/y'])
    await expect(checkOutputFolder(path, 'mine')).rejects.toMatchObject({
      code: 'bad_output',
      message: expect.stringContaining('cannot be made (ENOENT)') as string,
    });
});

test('refuses a folder that cannot be one', async () => {
  using folder = new TempFolder();
  writeFileSync(folder.at('file'), '');
  await expect(checkOutputFolder(folder.at('file', 'below'), 'mine')).rejects.toMatchObject({
    code: 'bad_output',
    message: expect.stringContaining('cannot be made, as a file stands there or in its path') as string,
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

test('a job that has no page is copied without', async () => {
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

test('a part of the results is written whole, again, and goes when the results come', async () => {
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
