/** Jobs that reuse the answers of earlier jobs, which change or are deleted between or during attempts. */
import { MockActivityEnvironment } from '@temporalio/testing';
import { ApplicationFailure, WorkflowNotFoundError } from '@temporalio/common';
import type { Client } from '@temporalio/client';
import OpenAI from 'openai';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { BatchApi } from '../../../src/openai/batch-api.ts';
import { buildShards, type FirstPlan } from '../../../src/activities/build-shards.ts';
import type { JobSpec } from '../../../src/core/job-spec.ts';
import { shardId } from '../../../src/core/shard-plan.ts';
import { openInput } from '../../../src/file-work/shards/open-input.ts';
import { shardInput } from '../../../src/file-work/shards/shard-input.ts';
import { indexAnswers } from '../../../src/file-work/earlier/index-answers.ts';
import type { FileWork } from '../../../src/file-work/file-work.ts';
import { keepTemplate, templateReference } from '../../../src/job/job-template.ts';
import type { RequestTemplate } from '../../../src/render/request-template.ts';
import { parseRequestTemplate } from '../../../src/render/template-schema.ts';
import { FolderStore } from '../../../src/store/folder-store.ts';
import { settledRowsPath } from '../../../src/file-work/records/shard-records.ts';
import { jobFiles, seriesFiles, shardFiles } from '../../../src/store/job-files.ts';
import { enterSeries } from '../../../src/store/series.ts';
import type { Store } from '../../../src/store/store.ts';
import { JOB, outputRow, plan, requestLine, rowsIn, settle, specFor } from '../../support/file-job.ts';
import { TempFolder } from '../../support/temp-folder.ts';

const baseURL = 'https://api.test/v1';
const apiHash = createHash('sha256').update(baseURL).digest('hex');
/** The series, which is a schedule's name. */
const SERIES = 'nightly';
/** The job of a later run. */
const NEXT = 'next';

let folder: TempFolder;
let store: FolderStore;
beforeEach(() => {
  folder = new TempFolder();
  store = new FolderStore(folder.path);
  working = { [NEXT]: 'first run' };
  return () => folder[Symbol.dispose]();
});

function put(key: string, record: unknown): void {
  mkdirSync(dirname(folder.at(key)), { recursive: true });
  writeFileSync(folder.at(key), JSON.stringify(record));
}

/** The job of an earlier run with these texts, one per shard; the first `settled` of them are answered. */
function earlierJob(texts: readonly string[], settled: number = texts.length): void {
  put(seriesFiles.run(SERIES, JOB), {});
  put(jobFiles.api(JOB), { baseUrlSha256: apiHash, instance: 'instance id' });
  put(jobFiles.round(JOB, 1), plan(folder.path, texts.map(lineOf).join(''), { shardLines: 1 }));
  for (let i = 0; i < settled; i += 1) answer(i);
  if (settled === texts.length) put(jobFiles.report(JOB), {});
}

function answer(index: number): void {
  settle(folder.path, shardId(1, index), { output: outputRow(index + 1, { answer: index }) });
}

const lineOf = (text: string): string => `${requestLine(text)}\n`;

function nextJob(texts: readonly string[]): JobSpec {
  const spec = specFor(folder.path, texts.map(lineOf).join(''));
  return { ...spec, jobId: NEXT, onlyNew: { schedule: SERIES } };
}

/** The running jobs, with the run of each. */
let working: Record<string, string> = {};
const client = {
  withAbortSignal: async (_: AbortSignal, call: () => Promise<unknown>) => await call(),
  workflow: {
    getHandle: (id: string) => ({
      describe: async () =>
        id in working
          ? { status: { name: 'RUNNING' }, runId: working[id] }
          : await Promise.reject(new WorkflowNotFoundError('', id, undefined)),
    }),
  },
} as unknown as Client;

/** File work in this thread. */
const files: Partial<FileWork> = {
  isBusyFor: () => false,
  shardInput: async (sharding) => shardInput(folder.path, sharding),
  indexAnswers: async (answers) => indexAnswers(folder.path, answers),
  warmUpDrawing: () => undefined,
};

/** An attempt of the activity, started by a run of the job's workflow. */
async function attempt(
  spec: JobSpec,
  changed: Partial<FileWork> = {},
  through: Store = store,
  runId: string = working[spec.jobId] ?? 'a run that has ended',
): Promise<FirstPlan> {
  const deps = {
    api: new BatchApi(new OpenAI({ apiKey: 'test', baseURL }), 0),
    store: through,
    files: { ...files, ...changed } as FileWork,
    patience: 0,
  };
  const bound = buildShards.bind(null, deps);
  const workflowExecution = { workflowId: spec.jobId, runId };
  return await new MockActivityEnvironment({ workflowExecution }, { client }).run<
    [JobSpec],
    FirstPlan,
    typeof bound
  >(bound, spec);
}

async function failureOf(attempted: Promise<unknown>): Promise<ApplicationFailure> {
  const failure: unknown = await attempted.catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(ApplicationFailure);
  return failure as ApplicationFailure;
}

/** The kept and sent lines in the files of the next job, which must match its plan. */
function built(): { kept: (number | undefined)[]; sent: string[] } {
  const shards = folder.at('jobs', NEXT, 'shards');
  const ofShard = (shard: string): string =>
    readFileSync(folder.at(shardFiles.requests(NEXT, shard)), 'utf8');
  return {
    kept: rowsIn(folder.at(jobFiles.kept(NEXT))).map(({ line }) => line),
    sent: (existsSync(shards) ? readdirSync(shards) : []).flatMap((shard) =>
      [...ofShard(shard).matchAll(/"custom_id":"(\d+)"/g)].map(([, line]) => line!),
    ),
  };
}

/** Names of the next job's files about earlier jobs. */
const filesForEarlier = (): string[] =>
  (existsSync(folder.at('jobs', NEXT)) ? readdirSync(folder.at('jobs', NEXT)) : []).filter((name) =>
    name.startsWith('earlier-'),
  );

test('lines that an earlier job has answered are kept, the others are sent', async () => {
  earlierJob(['a', 'b', 'c'], 2);
  expect(await attempt(nextJob(['c', 'b', 'a']))).toMatchObject({ lines: 1, kept: 2 });
});

test('a missing input is refused', async () => {
  const spec = nextJob(['a']);
  rmSync(spec.input.path);
  expect(await failureOf(attempt(spec))).toMatchObject({
    type: 'BadInput',
    nonRetryable: true,
    message: `${spec.input.path}: the file cannot be found by the worker: run the worker where the file is.`,
  });
});

test('a missing file of an earlier job is not a missing input: the step is retried', async () => {
  earlierJob(['a', 'b'], 2);
  rmSync(settledRowsPath(folder.path, JOB, shardId(1, 1)));
  const spec = nextJob(['a', 'b']);
  const failure = await failureOf(attempt(spec));
  expect(failure).toMatchObject({ type: 'StoreTrouble', nonRetryable: false });
  expect(failure.message).toContain('earlier job job');
  expect(existsSync(folder.at(jobFiles.answers(JOB, 1)))).toBe(false);
  // The folder of the earlier job was being deleted.
  rmSync(folder.at('jobs', JOB), { recursive: true });
  expect(await attempt(spec)).toMatchObject({ lines: 2, kept: 0 });
});

describe('an attempt that was suspended while another one built', () => {
  test('the shards builds the same ones, although the earlier job has more answers now', async () => {
    earlierJob(['a', 'b', 'c'], 2);
    const spec = nextJob(['a', 'b', 'c']);
    let planned: FirstPlan | undefined;
    const frozen = await attempt(spec, {
      shardInput: async (sharding) => {
        answer(2); // the earlier job was started again, and continued
        put(jobFiles.report(JOB), {});
        planned = await attempt(spec);
        return await files.shardInput!(sharding);
      },
    });
    expect(planned).toMatchObject({ lines: 1, kept: 2 });
    expect(frozen).toEqual(planned);
    expect(built()).toEqual({ kept: [1, 2], sent: ['3'] });
  });

  test('the list uses that list, and leaves no index of its own', async () => {
    earlierJob(['a', 'b', 'c'], 1);
    const spec = nextJob(['a', 'b', 'c']);
    let planned: FirstPlan | undefined;
    const frozen = await attempt(spec, {
      indexAnswers: async (indexed) => {
        const answers = indexAnswers(folder.path, indexed);
        answer(1);
        planned = await attempt(spec);
        return answers;
      },
    });
    expect(planned).toMatchObject({ lines: 1, kept: 2 });
    expect(frozen).toEqual(planned);
    expect(built()).toEqual({ kept: [1, 2], sent: ['3'] });
    expect(filesForEarlier()).toHaveLength(2); // the list, and the index that it names
  });

  test('the shards does not change them after the earlier answers were deleted', async () => {
    earlierJob(['a', 'b'], 1);
    const spec = nextJob(['a', 'b']);
    const frozen = attempt(spec, {
      shardInput: async (sharding) => {
        await attempt(spec);
        rmSync(folder.at('jobs', JOB), { recursive: true });
        return await files.shardInput!(sharding);
      },
    });
    expect(await failureOf(frozen)).toMatchObject({ type: 'EarlierAnswersGone' });
    expect(built()).toEqual({ kept: [1], sent: ['2'] });
    // The next attempt uses the plan.
    expect(await attempt(spec)).toMatchObject({ lines: 1, kept: 1 });
  });
});

describe('a list of earlier jobs', () => {
  /** An attempt that dies after it has claimed the list, before it builds anything. */
  async function claimOnly(spec: JobSpec): Promise<void> {
    const died = attempt(spec, { shardInput: async () => await Promise.reject(new Error('died')) });
    await expect(died).rejects.toThrow('died');
  }

  test.each([
    ['that came to no end', 1],
    ['that has finished', 2],
  ])('with a job %s is final, and a deleted folder of it is noticed', async (_, settled) => {
    earlierJob(['a', 'b'], settled);
    const spec = nextJob(['a', 'b']);
    await claimOnly(spec);
    rmSync(folder.at('jobs', JOB), { recursive: true });
    const failure = await failureOf(attempt(spec));
    expect(failure).toMatchObject({ type: 'EarlierAnswersGone', nonRetryable: true });
    expect(failure.message).toContain('earlier job job, which job next was to use');
    expect(failure.message).toContain('start the job again with the same command');
    expect(await store.size(jobFiles.round(NEXT, 1))).toBe(null);
    // The advice of the message works.
    working[NEXT] = 'second run';
    expect(await attempt(spec)).toMatchObject({ lines: 2, kept: 0 });
  });

  test('with a job whose id another one has taken does not use the answers of the new one', async () => {
    earlierJob(['a', 'b'], 1);
    const spec = nextJob(['a', 'b']);
    await claimOnly(spec);
    put(jobFiles.api(JOB), { baseUrlSha256: apiHash, instance: 'another id' });
    expect(await failureOf(attempt(spec))).toMatchObject({ type: 'EarlierAnswersGone' });
  });

  test('with a job that has lost rows is an error with its folder, and works after the folder is deleted', async () => {
    earlierJob(['a', 'b']);
    const spec = nextJob(['a', 'b']);
    await claimOnly(spec);
    rmSync(settledRowsPath(folder.path, JOB, shardId(1, 0)));
    const failure = await failureOf(attempt(spec));
    expect(failure).toMatchObject({ type: 'EarlierAnswersGone', nonRetryable: true });
    expect(failure.message).toContain('delete jobs/job in the store; then start the job again');
    rmSync(folder.at('jobs', JOB), { recursive: true });
    working[NEXT] = 'second run';
    expect(await attempt(spec)).toMatchObject({ lines: 2, kept: 0 });
  });

  test('is made again for an input that was corrected', async () => {
    earlierJob(['a', 'b'], 1);
    await claimOnly(nextJob(['a', 'b']));
    answer(1);
    expect(await attempt(nextJob(['a', 'b', 'c']))).toMatchObject({ lines: 1, kept: 2 });
  });

  test('keeps its indexes if the reply to its claim is lost', async () => {
    earlierJob(['a', 'b'], 1);
    const spec = nextJob(['a', 'b']);
    class DoubtfulStore extends FolderStore {
      override async claim(key: string, text: string): Promise<{ text: string; first: boolean }> {
        await super.claim(key, text);
        throw new Error('the folder was not synced');
      }
    }
    const doubtful = new DoubtfulStore(folder.path);
    await expect(attempt(spec, {}, doubtful)).rejects.toThrow('not synced');
    expect(await attempt(spec)).toMatchObject({ lines: 1, kept: 1 });
  });

  test('leaves out jobs without an answer, and leaves no file of them', async () => {
    earlierJob(['a', 'b'], 0);
    expect(await attempt(nextJob(['a', 'b']))).toMatchObject({ lines: 2, kept: 0 });
    expect(filesForEarlier()).toHaveLength(1);
  });

  test('is not claimed while an earlier job runs, and nothing is indexed', async () => {
    earlierJob(['a', 'b'], 1);
    put(seriesFiles.run(SERIES, 'later'), {});
    working['later'] = 'first run';
    const spec = nextJob(['a', 'b']);
    expect(await failureOf(attempt(spec))).toMatchObject({ type: 'EarlierRunUnfinished' });
    expect(filesForEarlier()).toEqual([]);
    delete working['later'];
    answer(1);
    expect(await attempt(spec)).toMatchObject({ lines: 0, kept: 2 });
  });

  test('is not needed by a job whose plan an earlier version has made, without a list', async () => {
    earlierJob(['a', 'b'], 1);
    const spec = nextJob(['a', 'b']);
    const plan = { shards: 1, lines: 2, shardLines: [2], rejected: 0, kept: 0 };
    put(jobFiles.round(NEXT, 1), plan);
    rmSync(spec.input.path);
    expect(await attempt(spec)).toEqual(plan);
    expect(filesForEarlier()).toEqual([]);
  });
});

describe('a run that replaces one that was ended before its shards had a plan', () => {
  test('has a list of its own, as other jobs have answered lines since', async () => {
    earlierJob(['a', 'b'], 1);
    const spec = nextJob(['a', 'b']);
    const died = attempt(spec, { shardInput: async () => await Promise.reject(new Error('died')) });
    await expect(died).rejects.toThrow('died');
    answer(1);
    working[NEXT] = 'second run';
    expect(await attempt(spec)).toMatchObject({ lines: 0, kept: 2 });
  });

  test('gets no plan from an attempt of the ended run', async () => {
    earlierJob(['a', 'b'], 1);
    const spec = nextJob(['a', 'b']);
    const late = attempt(spec, {
      shardInput: async (sharding) => {
        const result = await files.shardInput!(sharding);
        working = {};
        answer(1); // by a job that did not wait, because no other was open
        return result;
      },
    });
    await expect(late).rejects.toThrow('has ended');
    expect(await store.size(jobFiles.round(NEXT, 1))).toBe(null);
    working[NEXT] = 'second run';
    expect(await attempt(spec)).toMatchObject({ lines: 0, kept: 2 });
    expect(built()).toEqual({ kept: [1, 2], sent: [] });
  });
});

describe('jobs of one series that begin at the same time', () => {
  const specOf = (jobId: string): JobSpec => ({ ...nextJob(['a', 'b']), jobId });

  /** Builds the shards of the job, and answers them. */
  async function work(spec: JobSpec): Promise<FirstPlan> {
    const planned = await attempt(spec);
    put(jobFiles.api(spec.jobId), { baseUrlSha256: apiHash, instance: spec.jobId });
    return planned;
  }

  test('wait in the order in which they registered, and never for each other', async () => {
    const jobs = ['one', 'two', 'three'].map(specOf);
    working = { one: '1', two: '2', three: '3' };
    // The first has registered, and died before its search.
    await enterSeries(store, SERIES, 'one', '1');
    for (const spec of jobs.slice(1))
      expect(await failureOf(attempt(spec))).toMatchObject({
        type: 'EarlierRunUnfinished',
        message: expect.stringContaining('Job one, an earlier one of series nightly, still works'),
      });
    expect(await work(jobs[0]!)).toMatchObject({ lines: 2, kept: 0 });
    // It has its plan, and waits for no other job.
    expect(await failureOf(attempt(jobs[1]!))).toMatchObject({ type: 'EarlierRunUnfinished' });
    delete working['one'];
    expect(await work(jobs[1]!)).toMatchObject({ lines: 2, kept: 0 }); // nothing of the first was answered
    expect(await failureOf(attempt(jobs[2]!))).toMatchObject({
      message: expect.stringContaining('Job two'),
    });
  });

  test('wait in the new order after one was started again', async () => {
    const [one, two] = ['one', 'two'].map(specOf) as [JobSpec, JobSpec];
    working = { one: '1', two: '2' };
    await enterSeries(store, SERIES, 'one', '1');
    expect(await failureOf(attempt(two))).toMatchObject({ type: 'EarlierRunUnfinished' });
    // The first was terminated before it had a plan, and is started again: it waits for the second, which may have begun since.
    working['one'] = '3';
    expect(await failureOf(attempt(one))).toMatchObject({ message: expect.stringContaining('Job two') });
    // A late attempt of the ended run changes nothing.
    await enterSeries(store, SERIES, 'one', '1');
    await attempt(one, {}, store, '0').catch(() => undefined);
    expect(await work(two)).toMatchObject({ lines: 2 });
  });

  test('are found even if they are runs of a schedule that have not registered yet', async () => {
    put(seriesFiles.run(SERIES, 'scheduled'), {});
    working = { one: '1', scheduled: '2' };
    expect(await failureOf(attempt(specOf('one')))).toMatchObject({ type: 'EarlierRunUnfinished' });
    expect(await failureOf(attempt(specOf('scheduled')))).toMatchObject({
      message: expect.stringContaining('Job one'),
    });
    // Once it has registered, after this one, it is the one that waits.
    expect(await attempt(specOf('one'))).toMatchObject({ lines: 2 });
  });
});

test('the index of a finished job is unchanged when another pass adds answers', async () => {
  earlierJob(['a', 'b'], 1);
  put(jobFiles.report(JOB), {}); // cancelled
  const first = nextJob(['a', 'b']);
  const died = attempt(first, { shardInput: async () => await Promise.reject(new Error('died')) });
  await expect(died).rejects.toThrow('died');
  rmSync(folder.at(jobFiles.report(JOB)));
  put(jobFiles.round(JOB, 2), { shards: 0, lines: 0, shardLines: [], rejected: 0, rebought: true });
  answer(1);
  put(jobFiles.report(JOB), {});
  working = { third: '2' };
  expect(await attempt({ ...first, jobId: 'third' })).toMatchObject({ lines: 0, kept: 2 });
  working = { [NEXT]: 'first run' };
  expect(await attempt(first)).toMatchObject({ lines: 1, kept: 1 });
});

test('answers of another API are not reused, whichever worker runs the step', async () => {
  earlierJob(['a', 'b']);
  const spec = nextJob(['a', 'b']);
  expect(await attempt({ ...spec, api: 'hash of another one' })).toMatchObject({ lines: 2, kept: 0 });
});

describe('a job with --reuse', () => {
  /** A job of no series, over these texts. */
  function reusing(texts: readonly string[]): JobSpec {
    const { onlyNew: _, ...spec } = nextJob(texts);
    return { ...spec, reuse: true };
  }

  test('keeps the answers of any finished job of the store, and of jobs that run what they have by now', async () => {
    earlierJob(['a', 'b', 'c'], 2);
    rmSync(folder.at('schedules'), { recursive: true });
    working[JOB] = 'still running';
    expect(await attempt(reusing(['c', 'b', 'd', 'a']))).toMatchObject({ lines: 2, kept: 2 });
    expect(built()).toEqual({ kept: [2, 4], sent: ['1', '3'] });
  });

  test('leaves out a job whose folder lacks files, and waits for nothing', async () => {
    earlierJob(['a', 'b']);
    rmSync(settledRowsPath(folder.path, JOB, shardId(1, 1)));
    expect(await attempt(reusing(['a', 'b']))).toMatchObject({ lines: 2, kept: 0 });
  });

  test('does not use answers of another API, or of itself', async () => {
    earlierJob(['a', 'b']);
    const other = { ...reusing(['a']), api: 'hash of another one' };
    expect(await attempt(other)).toMatchObject({ lines: 1, kept: 0 });
    working = { [JOB]: 'again' };
    expect(await attempt({ ...reusing(['a', 'b']), jobId: JOB })).not.toHaveProperty('kept', 2);
  });

  test('of a series, too, waits for the jobs of the series only, and uses those of the store', async () => {
    earlierJob(['a', 'b']);
    rmSync(folder.at('schedules'), { recursive: true });
    working['other'] = 'no job of the series';
    const both = { ...reusing(['a', 'x']), onlyNew: { schedule: SERIES } };
    expect(await attempt(both)).toMatchObject({ lines: 1, kept: 1 });
  });

  test('makes one list: an attempt that was suspended builds the same shards', async () => {
    earlierJob(['a', 'b', 'c'], 1);
    const spec = reusing(['a', 'b', 'c']);
    let planned: FirstPlan | undefined;
    const frozen = await attempt(spec, {
      shardInput: async (sharding) => {
        answer(1);
        planned = await attempt(spec);
        return await files.shardInput!(sharding);
      },
    });
    expect(planned).toMatchObject({ lines: 2, kept: 1 });
    expect(frozen).toEqual(planned);
  });
});

describe('an attempt that was suspended', () => {
  const jobOf = (texts: readonly string[]): JobSpec => specFor(folder.path, texts.map(lineOf).join(''));

  test('with an input that was corrected since adds nothing to the shards of the plan', async () => {
    const wrong = jobOf(['wrong', 'one more']);
    const late = attempt(wrong, {
      shardInput: async (sharding) => {
        const result = await files.shardInput!(sharding);
        // Meanwhile the job was terminated, and the corrected input was started under its id.
        await attempt(jobOf(['right']));
        return result;
      },
    });
    expect(await late).toMatchObject({ shards: 1, lines: 1 });
    expect(readFileSync(folder.at(shardFiles.requests(JOB, 'r1-00001')), 'utf8')).toContain('right');
    const { input } = JSON.parse(readFileSync(folder.at(jobFiles.spec(JOB)), 'utf8')) as JobSpec;
    expect(input.sha256).not.toBe(wrong.input.sha256);
    expect(existsSync(folder.at(jobFiles.buildings(JOB)))).toBe(false);
  });

  test('and died between the plan and its files leaves the files, which the next one moves', async () => {
    const spec = jobOf(['a', 'b']);
    class DyingStore extends FolderStore {
      override async moveToRoot(): Promise<void> {
        throw new Error('died');
      }
    }
    await expect(attempt(spec, {}, new DyingStore(folder.path))).rejects.toThrow('died');
    expect(existsSync(folder.at(shardFiles.manifest(JOB, 'r1-00001')))).toBe(false);
    const read = { shardInput: async () => await Promise.reject(new Error('nothing is read')) };
    expect(await attempt(spec, read)).toMatchObject({ lines: 2 });
    expect(existsSync(folder.at(shardFiles.manifest(JOB, 'r1-00001')))).toBe(true);
    expect(existsSync(folder.at(jobFiles.buildings(JOB)))).toBe(false);
  });
});

describe('a job with a request template', () => {
  const rendering: Partial<FileWork> = {
    shardInput: async (sharding) =>
      shardInput(folder.path, sharding, await openInput(folder.path, sharding, sharding.counter)),
  };

  /** A job over rows; the template is in the store unless `isKept` is false. */
  async function rowsJob(rows: string, template: RequestTemplate, isKept = true): Promise<JobSpec> {
    const spec = specFor(folder.path, rows);
    if (isKept) await keepTemplate(store, template);
    return { ...spec, jobId: NEXT, template: templateReference(template, dirname(spec.input.path)) };
  }

  const template = parseRequestTemplate({
    endpoint: '/v1/completions',
    model: 'm',
    prompt: '{{ text }}',
  });

  test('sends a request for each row', async () => {
    const spec = await rowsJob('{"text":"a"}\n\n{"text":"b"}\n', template);
    expect(await attempt(spec, rendering)).toMatchObject({ lines: 2, models: ['m'] });
    expect(readFileSync(folder.at(shardFiles.requests(NEXT, 'r1-00001')), 'utf8')).toBe(
      [1, 3]
        .map(
          (n, i) =>
            `{"custom_id":"${n}","method":"POST","url":"/v1/completions","body":{"model":"m","prompt":"${'ab'[i]}"}}\n`,
        )
        .join(''),
    );
  });

  test('names the row and the column of a bad row, and none of its text', async () => {
    const spec = await rowsJob('{"text":"a"}\n{"txt":"secret"}\n', template);
    const { message, details } = await failureOf(attempt(spec, rendering));
    expect(message).toBe(
      `${spec.input.path}:2: the row has no column "text": add it, or correct the name in the template.`,
    );
    expect(details).toEqual([{ file: spec.input.path, line: 2 }]);
  });

  test('ends bad rows as failed ones on request', async () => {
    const spec = { ...(await rowsJob('{"text":"a"}\n{"text":""}\n', template)), skipBadLines: true };
    expect(await attempt(spec, rendering)).toMatchObject({ lines: 1, rejected: 1 });
    expect(rowsIn(folder.at(jobFiles.rejected(NEXT)))).toMatchObject([
      {
        line: 2,
        error: { code: 'bad_line', message: expect.stringMatching(/^The row has an empty prompt/) },
      },
    ]);
  });

  test('keeps the answers of rows whose requests an earlier job of the series has sent', async () => {
    earlierJob(['a', 'b']);
    const chat = parseRequestTemplate({
      endpoint: '/v1/chat/completions',
      model: 'gpt-4o-mini',
      prompt: '{{ text }}',
    });
    const spec = await rowsJob('{"text":"b"}\n{"text":"c"}\n', chat);
    const asked = { ...spec, onlyNew: { schedule: SERIES } };
    expect(await attempt(asked, rendering)).toMatchObject({ lines: 1, kept: 1 });
  });

  test('sends rows again whose earlier answers do not fit the schema, as those of ready requests were not checked', async () => {
    const schema = {
      type: 'object',
      properties: { label: { type: 'string' } },
      required: ['label'],
      additionalProperties: false,
    };
    const rated = parseRequestTemplate({
      endpoint: '/v1/chat/completions',
      model: 'gpt-4o-mini',
      prompt: '{{ text }}',
      answer: { name: 'answer', schema },
    });
    // What the template makes of the rows is the input of an earlier job of ready requests.
    const rows = ['right', 'wrong', 'no text', 'new'].map((text) => `${JSON.stringify({ text })}\n`);
    const spec = { ...(await rowsJob(rows.join(''), rated)), reuse: true as const };
    await attempt({ ...spec, jobId: 'ready' }, rendering);
    const sent = readFileSync(folder.at(shardFiles.requests('ready', 'r1-00001')), 'utf8');
    rmSync(folder.at('jobs', 'ready'), { recursive: true });
    put(jobFiles.round(JOB, 1), plan(folder.path, sent.split('\n').slice(0, 3).join('\n')));
    const choice = (content: string | null): object => ({ choices: [{ index: 0, message: { content } }] });
    const answers = [choice('{"label":"good"}'), choice('{"label":5}'), choice(null)];
    settle(folder.path, shardId(1, 0), { output: answers.map((body, i) => outputRow(i + 1, body)).join('') });
    specFor(folder.path, rows.join('')); // the input again, which `plan` has replaced
    expect(await attempt(spec, rendering)).toMatchObject({ lines: 3, kept: 1 });
    expect(built()).toEqual({ kept: [1], sent: ['2', '3', '4'] });

    // A job with the schema has bought the second row again: its answer is used, although another job comes first by name.
    const checked = 'z-checked';
    cpSync(folder.at('jobs', JOB), folder.at('jobs', checked), { recursive: true });
    const bought = settledRowsPath(folder.path, checked, shardId(1, 0));
    writeFileSync(bought, readFileSync(bought, 'utf8').replace('{\\"label\\":5}', '{\\"label\\":\\"x\\"}'));
    put(jobFiles.spec(checked), { answer: { attempts: 2 } });
    rmSync(folder.at('jobs', NEXT), { recursive: true });
    const asked = { ...spec, answer: { attempts: 2 } };
    expect(await attempt(asked, rendering)).toMatchObject({ lines: 2, kept: 2 });
    expect(built()).toEqual({ kept: [1, 2], sent: ['3', '4'] });
  });

  test('without its template in the store fails with what to do', async () => {
    const failure = await failureOf(attempt(await rowsJob('{"text":"a"}\n', template, false), rendering));
    expect(failure).toMatchObject({ type: 'BadInput', nonRetryable: true });
    expect(failure.message).toContain('is missing from the store');
  });

  test('does not quote a template that this version cannot compile', async () => {
    const broken = { ...template, prompt: '{{ text | secret_filter }}' };
    const error: unknown = await attempt(await rowsJob('{"text":"a"}\n', broken), rendering).catch(
      (e: unknown) => e,
    );
    expect(String(error)).toContain('does not compile here');
    expect(String(error)).not.toContain('secret_filter');
  });

  test('with images builds in a folder of the attempt, as images may change between two', async () => {
    const images = parseRequestTemplate({
      ...template,
      endpoint: '/v1/moderations',
      images: { column: 'i' },
    });
    const spec = await rowsJob('{"text":"a","i":"a.gif"}\n', images);
    writeFileSync(folder.at('a.gif'), 'GIF89a');
    const built: string[] = [];
    const noting: Partial<FileWork> = {
      shardInput: async (sharding) => {
        built.push(sharding.under!);
        return await rendering.shardInput!(sharding);
      },
    };
    const plans = await Promise.all([attempt(spec, noting), attempt(spec, noting)]);
    expect(new Set(built).size).toBe(2);
    expect(plans[0]).toEqual(plans[1]);
    expect(readFileSync(folder.at(shardFiles.requests(NEXT, 'r1-00001')), 'utf8')).toContain(
      'data:image/gif',
    );
  });
});
