import { MockActivityEnvironment } from '@temporalio/testing';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Dependencies } from '../../../src/activities/step/dependencies.ts';
import { prepareScheduledJob, type PreparedRun } from '../../../src/activities/prepare-scheduled-job.ts';
import { resolveSchedule, type ScheduleOptions } from '../../../src/client/schedules/schedule-options.ts';
import type { ScheduleSpec } from '../../../src/core/schedule-spec.ts';
import { BatchError, ErrorCode } from '../../../src/core/errors.ts';
import {
  keepScheduleRows,
  readScheduleRows,
  scheduleRowsOf,
  withStoredRows,
  type ScheduleRows,
} from '../../../src/job/schedule-rows.ts';
import { FolderStore } from '../../../src/store/folder-store.ts';
import { inputFiles, jobFiles } from '../../../src/store/job-files.ts';
import { TempFolder } from '../../support/temp-folder.ts';

test('a second run with a folder that runs of an earlier version could share is refused, with advice', async () => {
  using folder = new TempFolder();
  const input = folder.at('in.jsonl');
  writeFileSync(input, '{"body":{}}\n');
  const made = resolveSchedule({ name: 'daily', input, cron: '0 6 * * *' }, false);
  const spec = { ...made, out: folder.at('out', '{yyyy}-{MM}-{dd}') };
  const dependencies = {
    store: new FolderStore(folder.at('store')),
  } as Partial<Dependencies> as Dependencies;
  const prepare = async (dueAt: string): Promise<PreparedRun> =>
    await new MockActivityEnvironment().run<[], PreparedRun, () => Promise<PreparedRun>>(() =>
      prepareScheduledJob(dependencies, { spec, dueAt }),
    );

  const first = await prepare('2026-11-24T06:00:00Z');
  expect(first.job).toMatchObject({ out: folder.at('out/2026-11-24') });
  mkdirSync(folder.at('out/2026-11-24'), { recursive: true });
  writeFileSync(folder.at('out/2026-11-24/report.json'), JSON.stringify({ job_id: first.job!.spec.jobId }));
  expect((await prepare('2026-11-24T06:00:00Z')).job).not.toBeNull();
  expect((await prepare('2026-11-25T06:00:00Z')).job).not.toBeNull();

  await expect(prepare('2026-11-24T11:07:03Z')).rejects.toMatchObject({
    type: 'BadInput',
    nonRetryable: true,
    message: expect.stringMatching(
      /holds the results of job daily-2026-11-24T06-00Z.*put \{run\} into its --out with `durable-batch schedule update daily --out '.*\/out\/\{yyyy\}-\{MM\}-\{dd\}\/\{run\}'`/,
    ),
  });
});

describe('a schedule of rows', () => {
  let folder: TempFolder;
  let store: FolderStore;
  beforeEach(() => {
    folder = new TempFolder();
    store = new FolderStore(folder.at('store'));
    return () => folder[Symbol.dispose]();
  });

  const asked = { prompt: 'SECRET {{ review }}', model: 'gpt-5-mini' };

  async function scheduleOf(options: Partial<ScheduleOptions>): Promise<ScheduleSpec> {
    const all = { name: 'daily', cron: '0 6 * * *', ...asked, ...options };
    const rows = await scheduleRowsOf(all);
    await keepScheduleRows(store, rows!);
    return resolveSchedule(all, false, rows);
  }

  const rowsOf = async ({ rows, name }: ScheduleSpec): Promise<ScheduleRows> =>
    await readScheduleRows(store, rows!, name);

  async function prepare(spec: ScheduleSpec, dueAt: string = '2026-11-24T06:00:00Z'): Promise<PreparedRun> {
    const dependencies = { store, patience: 0 } as Partial<Dependencies> as Dependencies;
    return await new MockActivityEnvironment().run<[], PreparedRun, () => Promise<PreparedRun>>(() =>
      prepareScheduledJob(dependencies, { spec, dueAt }),
    );
  }

  test('stores the rows of its time and the template, and its spec has no text of them', async () => {
    writeFileSync(folder.at('in-2026-11-24.csv'), 'review\nfine\nbad\n');
    const spec = await scheduleOf({
      input: folder.at('in-{yyyy}-{MM}-{dd}.csv'),
      out: folder.at('{run}.parquet'),
      keep: ['review'],
      attempts: 5,
      onlyNew: true,
    });
    expect(JSON.stringify(spec)).not.toContain('SECRET');
    const run = await prepare(spec);
    expect(run).toMatchObject({
      input: folder.at('in-2026-11-24.csv'),
      skipped: null,
      job: {
        out: folder.at('daily-2026-11-24T06-00Z.parquet'),
        keep: ['review'],
        spec: {
          jobId: 'daily-2026-11-24T06-00Z',
          attempts: 5,
          onlyNew: { schedule: 'daily' },
          input: { path: folder.at('in-2026-11-24.csv'), stored: true },
          labels: { schedule: 'daily', scheduleRows: spec.rows!.sha256 },
        },
      },
    });
    expect(JSON.stringify(run)).not.toContain('SECRET');
    const { input, template } = run.job!.spec;
    expect(await store.read(inputFiles.rows(input.sha256))).toBe('{"review":"fine"}\n{"review":"bad"}\n');
    expect(await store.read(inputFiles.template(template!.sha256))).toContain('SECRET');
    // The same attempt again gives the same job.
    expect(await prepare(spec)).toEqual(run);
  });

  test.each<
    [what: string, options: (at: (name: string) => string) => Partial<ScheduleOptions>, reason: RegExp]
  >([
    ['file', (at) => ({ input: at('none.csv') }), /none\.csv does not exist/],
    ['pattern', (at) => ({ input: at('*.csv') }), /\*\.csv matches no file/],
    ['empty file', (at) => ({ input: at('empty.csv.gz'), format: 'csv' }), /is empty/],
    ['table without rows', (at) => ({ input: at('header.csv') }), /header\.csv has no rows to send/],
    [
      'query without files',
      (at) => ({ sql: `from '${at('none.parquet')}'` }),
      /^The query finds no file or has no rows\.$/,
    ],
    [
      'query without rows',
      () => ({ sql: 'select 1 as review limit 0' }),
      /^The query finds no file or has no rows\.$/,
    ],
  ])('skips a run without input: %s', async (what, options, reason) => {
    if (what === 'empty file') writeFileSync(folder.at('empty.csv.gz'), gzipSync(''));
    if (what === 'table without rows') writeFileSync(folder.at('header.csv'), 'review\n');
    const spec = await scheduleOf(options((name) => folder.at(name)));
    expect(await prepare(spec)).toMatchObject({ job: null, skipped: expect.stringMatching(reason) });
  });

  test('fails a run whose query is refused, and quotes nothing of the query', async () => {
    const spec = await scheduleOf({ sql: 'select hidden_word as review from nowhere' });
    await expect(prepare(spec)).rejects.toMatchObject({
      type: 'BadInput',
      nonRetryable: true,
      message: expect.not.stringMatching(/hidden_word|nowhere/),
    });
  });

  test('fails a run that lacks one of several files, or whose table cannot have the columns, before anything is bought', async () => {
    writeFileSync(folder.at('a.csv'), 'review\nfine\n');
    const several = await scheduleOf({ input: [folder.at('a.csv'), folder.at('none.csv')] });
    await expect(prepare(several)).rejects.toMatchObject({
      type: 'BadInput',
      message: expect.stringMatching(/none\.csv does not exist/),
    });
    const table = { input: folder.at('a.csv'), out: folder.at('{run}.csv') };
    await expect(prepare(await scheduleOf({ ...table, keep: ['nosuch'] }))).rejects.toMatchObject({
      type: 'BadInput',
      nonRetryable: true,
      message: expect.stringContaining('--keep names the column nosuch'),
    });
    await expect(prepare(await scheduleOf({ ...table, npy: folder.at('{run}.npy') }))).rejects.toMatchObject({
      message: expect.stringContaining('--npy is for embeddings'),
    });
  });

  test('is retried while the store cannot be written, and left to a worker with the right store', async () => {
    writeFileSync(folder.at('a.csv'), 'review\nfine\n');
    const spec = await scheduleOf({ input: folder.at('a.csv') });
    class FullStore extends FolderStore {
      override async check(): Promise<void> {
        throw new BatchError(ErrorCode.StoreUnavailable, 'the disk is full');
      }
    }
    const right = store;
    store = new FullStore(folder.at('store'));
    await expect(prepare(spec)).rejects.toMatchObject({ type: 'StoreTrouble', nonRetryable: false });
    store = right;
    const elsewhere = { ...spec, rows: { ...spec.rows!, store: { id: 'another', path: '/elsewhere' } } };
    await expect(prepare(elsewhere)).rejects.toMatchObject({ type: 'OtherStore', nonRetryable: false });
    expect((await prepare(await withStoredRows(store, spec, await rowsOf(spec)))).job).not.toBeNull();
  });

  test('finds the relative paths of a query in the folder of its creation', async () => {
    writeFileSync(folder.at('words.csv'), 'review\nfine\n');
    const all = { name: 'daily', cron: '0 6 * * *', ...asked, sql: "from 'words.csv'" };
    const rows = await scheduleRowsOf(all, { queryFolder: folder.path });
    await keepScheduleRows(store, rows!);
    expect((await prepare(resolveSchedule(all, false, rows))).job).not.toBeNull();
  });

  test('refuses a run whose rows lack a column, with a sentence', async () => {
    writeFileSync(folder.at('in.csv'), 'text\nfine\n');
    await expect(prepare(await scheduleOf({ input: folder.at('in.csv') }))).rejects.toMatchObject({
      type: 'BadInput',
      message: expect.stringContaining('has no column "review"'),
    });
  });

  test('a job that has begun is taken as it is; with other rows or another prompt it is a conflict', async () => {
    writeFileSync(folder.at('in.csv'), 'review\nfine\n');
    writeFileSync(folder.at('other.csv'), 'review\nfine\n');
    const spec = await scheduleOf({ input: folder.at('in.csv') });
    const { job } = await prepare(spec);
    const id = job!.spec.jobId;
    await store.replace(jobFiles.spec(id), JSON.stringify(job!.spec));
    await store.replace(jobFiles.round(id, 1), '{}');
    rmSync(folder.at('in.csv'));
    expect((await prepare(spec)).job).toEqual(job);
    for (const options of [
      { input: folder.at('other.csv') },
      { input: folder.at('in.csv'), prompt: 'No {{ review }}' },
    ])
      await expect(prepare(await scheduleOf(options))).rejects.toMatchObject({ type: 'RunConflict' });
  });
});
