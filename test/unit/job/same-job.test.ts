import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import type { JobSpec } from '../../../src/core/job-spec.ts';
import { FolderStore } from '../../../src/store/folder-store.ts';
import { jobFiles } from '../../../src/store/job-files.ts';
import { prepareJob } from '../../../src/job/prepare-job.ts';
import { inputPathOf, joinSameJob, rememberJob } from '../../../src/job/same-job.ts';
import { TempFolder } from '../../support/temp-folder.ts';

let folder: TempFolder;
let store: FolderStore;
beforeEach(() => {
  folder = new TempFolder();
  store = new FolderStore(folder.at('store'));
  return () => folder[Symbol.dispose]();
});

async function specOf(name: string, content: string = 'same', jobId?: string): Promise<JobSpec> {
  writeFileSync(folder.at(name), content);
  return await prepareJob({ input: folder.at(name), ...(jobId === undefined ? {} : { jobId }) });
}

/** Writes the files that exist after a worker has built the shards. */
function build(spec: JobSpec): void {
  for (const key of [jobFiles.spec(spec.jobId), jobFiles.round(spec.jobId, 1)]) {
    mkdirSync(dirname(folder.at('store', key)), { recursive: true });
    writeFileSync(folder.at('store', key), JSON.stringify(spec));
  }
}

test('the same input under another name is the job that was started first; other content or options are another job', async () => {
  const a = await specOf('a.jsonl');
  expect(await joinSameJob(store, a)).toEqual({ spec: a, startedFrom: null });
  expect(await joinSameJob(store, a)).toEqual({ spec: a, startedFrom: null });
  const b = await specOf('b.jsonl');
  expect(b.jobId).not.toBe(a.jobId);
  expect(await joinSameJob(store, b)).toEqual({
    spec: { ...b, jobId: a.jobId },
    startedFrom: folder.at('a.jsonl'),
  });
  const other = await specOf('c.jsonl', 'other');
  expect(await joinSameJob(store, other)).toEqual({ spec: other, startedFrom: null });
  const options = await prepareJob({ input: folder.at('b.jsonl'), attempts: 1 });
  expect(await joinSameJob(store, options)).toEqual({ spec: options, startedFrom: null });
});

test('concurrent starts under many names get the same job', async () => {
  const specs = await Promise.all(Array.from({ length: 20 }, async (_, i) => await specOf(`${i}.jsonl`)));
  const joined = await Promise.all(specs.map(async (spec) => await joinSameJob(store, spec)));
  expect(new Set(joined.map(({ spec }) => spec.jobId)).size).toBe(1);
});

test('a job of an earlier version is found under its old id, and afterwards under other names', async () => {
  const old = await specOf('old.jsonl');
  build(old);
  expect((await joinSameJob(store, old)).spec.jobId).toBe(old.jobId);
  expect((await joinSameJob(store, await specOf('new.jsonl'))).spec.jobId).toBe(old.jobId);
});

test('its own id is not taken from a job of an earlier version', async () => {
  const a = await specOf('a.jsonl');
  await joinSameJob(store, a);
  const b = await specOf('b.jsonl');
  build(b);
  expect(await joinSameJob(store, b)).toEqual({ spec: b, startedFrom: null });
});

test('a job with a chosen id is found, too; the first one stays', async () => {
  await rememberJob(store, await specOf('a.jsonl', 'same', 'monday'));
  await rememberJob(store, await specOf('a.jsonl', 'same', 'tuesday'));
  expect((await joinSameJob(store, await specOf('a.jsonl'))).spec.jobId).toBe('monday');
});

test('an id whose folder was deleted and that another input uses now is not joined', async () => {
  await rememberJob(store, await specOf('a.jsonl', 'same', 'monday'));
  build(await specOf('b.jsonl', 'other', 'monday'));
  const a = await specOf('a.jsonl');
  expect((await joinSameJob(store, a)).spec).toEqual(a);
  expect((await joinSameJob(store, await specOf('c.jsonl'))).spec.jobId).toBe(a.jobId);
});

test('the input is read from the path of the last start until the shards are built', async () => {
  const a = await specOf('a.jsonl');
  await joinSameJob(store, a);
  expect(await inputPathOf(store, a)).toBe(folder.at('a.jsonl'));
  renameSync(folder.at('a.jsonl'), folder.at('b.jsonl'));
  await joinSameJob(store, await specOf('b.jsonl'));
  expect(await inputPathOf(store, a)).toBe(folder.at('b.jsonl'));
  // And back to the first path.
  renameSync(folder.at('b.jsonl'), folder.at('a.jsonl'));
  expect(await inputPathOf(store, a)).toBe(folder.at('a.jsonl'));
  writeFileSync(folder.at('b.jsonl'), 'something else by now');
  await joinSameJob(store, a);
  expect(await inputPathOf(store, a)).toBe(folder.at('a.jsonl'));

  build(a);
  await joinSameJob(store, await specOf('c.jsonl'));
  expect(await store.size(jobFiles.input(a.jobId))).not.toBeNull();
  rmSync(folder.at('b.jsonl'));
  expect(await inputPathOf(store, a)).toBe(folder.at('a.jsonl'));
});
