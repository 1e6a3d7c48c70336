/** Jobs that use the answers of earlier ones: what attempts see when those change, or go away, between and under them. */
import { MockActivityEnvironment } from '@temporalio/testing';
import { ApplicationFailure, WorkflowNotFoundError } from '@temporalio/common';
import type { Client } from '@temporalio/client';
import OpenAI from 'openai';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { buildShards, type FirstPlan } from '../../../src/activities/build-shards.ts';
import type { JobSpec } from '../../../src/core/job-spec.ts';
import { shardId } from '../../../src/core/shard-plan.ts';
import * as build from '../../../src/file-work/build-shards.ts';
import { indexAnswers } from '../../../src/file-work/index-answers.ts';
import type { FileWork } from '../../../src/file-work/pool.ts';
import { FolderStore } from '../../../src/store/folder-store.ts';
import { jobFiles, scheduleFiles, shardFiles } from '../../../src/store/job-files.ts';
import { JOB, outputRow, plan, requestLine, settle, specFor } from '../../support/file-job.ts';
import { TempFolder } from '../../support/temp-folder.ts';

const SCHEDULE = 'nightly';
/** The job of a later run. */
const NEXT = 'next';

let folder: TempFolder;
let store: FolderStore;
beforeEach(() => {
  folder = new TempFolder();
  store = new FolderStore(folder.path);
  return () => folder[Symbol.dispose]();
});

function put(key: string, record: unknown): void {
  mkdirSync(dirname(folder.at(key)), { recursive: true });
  writeFileSync(folder.at(key), JSON.stringify(record));
}

/** An earlier run's job of these texts, a shard each; the first `settled` of them are answered. */
function earlierJob(texts: readonly string[], settled: number = texts.length): void {
  put(scheduleFiles.run(SCHEDULE, JOB), {});
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
  return { ...spec, jobId: NEXT, onlyNew: { schedule: SCHEDULE } };
}

/** No job works. */
const client = {
  withAbortSignal: async (_: AbortSignal, call: () => Promise<unknown>) => await call(),
  workflow: {
    getHandle: (id: string) => ({
      describe: async () => await Promise.reject(new WorkflowNotFoundError('', id, undefined)),
    }),
  },
} as unknown as Client;

/** File work in this thread. */
const files: Partial<FileWork> = {
  buildShards: async (spec, counter, earlier) => build.buildShards(folder.path, spec, counter, earlier),
  indexAnswers: async (job, target) => indexAnswers(folder.path, job, target),
  warmUpDrawing: () => undefined,
};

/** An attempt of the activity. */
async function attempt(spec: JobSpec, changed: Partial<FileWork> = {}): Promise<FirstPlan> {
  const deps = {
    api: new OpenAI({ apiKey: 'test' }),
    store,
    files: { ...files, ...changed } as FileWork,
    patience: 0,
  };
  const bound = buildShards.bind(null, deps);
  return await new MockActivityEnvironment({}, { client }).run<[JobSpec], FirstPlan, typeof bound>(
    bound,
    spec,
  );
}

async function failureOf(attempted: Promise<unknown>): Promise<ApplicationFailure> {
  const failure: unknown = await attempted.catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(ApplicationFailure);
  return failure as ApplicationFailure;
}

test('lines that an earlier job has answered are kept, the others are sent', async () => {
  earlierJob(['a', 'b', 'c'], 2);
  expect(await attempt(nextJob(['c', 'b', 'a']))).toMatchObject({ lines: 1, kept: 2 });
});

test('an input that is not there is refused', async () => {
  const spec = nextJob(['a']);
  rmSync(spec.input.path);
  expect(await failureOf(attempt(spec))).toMatchObject({
    type: 'BadInput',
    nonRetryable: true,
    message: `${spec.input.path}: the file cannot be found by the worker: run the worker where the file is.`,
  });
});

test('a file that an earlier job lacks while it is indexed is no missing input: it is looked for again', async () => {
  earlierJob(['a', 'b'], 2);
  rmSync(folder.at(shardFiles.rows(JOB, shardId(1, 1))));
  const spec = nextJob(['a', 'b']);
  const failure = await failureOf(attempt(spec));
  expect(failure).toMatchObject({ type: 'StoreTrouble', nonRetryable: false });
  expect(failure.message).toContain('earlier job job');
  expect(existsSync(folder.at(jobFiles.answers(JOB)))).toBe(false);
  // Somebody was deleting its folder.
  rmSync(folder.at('jobs', JOB), { recursive: true });
  expect(await attempt(spec)).toMatchObject({ lines: 2, kept: 0 });
});
