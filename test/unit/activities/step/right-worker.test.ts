import type { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { beforeEach, expect, test } from 'vitest';
import type { Dependencies } from '../../../../src/activities/step/dependencies.ts';
import { withJobApi, withSpecStore } from '../../../../src/activities/step/right-worker.ts';
import type { JobSpec } from '../../../../src/core/job-spec.ts';
import { FolderStore } from '../../../../src/store/folder-store.ts';
import { apiFingerprint, recordJobApi } from '../../../../src/store/job-api.ts';
import { jobFiles } from '../../../../src/store/job-files.ts';
import { storeIdentity } from '../../../../src/store/store-identity.ts';
import { TempFolder } from '../../../support/temp-folder.ts';

const here = 'https://here.test/v1';
let folder: TempFolder;
let store: FolderStore;
beforeEach(() => {
  folder = new TempFolder();
  store = new FolderStore(folder.at('here'));
  return () => folder[Symbol.dispose]();
});

/** The result or failure of a step of a worker with this base URL. */
async function stepAt(baseURL: string, attempt = 1): Promise<unknown> {
  const deps = { store, patience: 1, api: { baseURL } } as unknown as Dependencies;
  const step = async (): Promise<unknown> =>
    await withJobApi(deps, 'job', async () => await Promise.resolve('done'));
  return await new MockActivityEnvironment({ attempt }).run(step).catch((error: unknown) => error);
}

test('a step runs in the store with the plan of its job, and fails with a retryable error in another one', async () => {
  expect(await stepAt(here)).toMatchObject({
    type: 'OtherStore',
    nonRetryable: false,
    nextRetryDelay: 1_000,
  });
  await store.claim(jobFiles.round('job', 1), '{}');
  expect(await stepAt(here)).toBe('done');
});

test('the first API is recorded; with another one the step is retried, and fails permanently after three minutes', async () => {
  await store.claim(jobFiles.round('job', 1), '{}');
  await recordJobApi(store, 'job', apiFingerprint(here));
  const delays: number[] = [];
  for (let attempt = 1; attempt <= 20; attempt += 1) {
    const failure = (await stepAt('https://elsewhere.test/v1', attempt)) as ApplicationFailure;
    expect(failure).toMatchObject({ type: 'OtherApi', nonRetryable: attempt === 20 });
    if (attempt < 20) delays.push(Number(failure.nextRetryDelay));
  }
  expect(delays.reduce((sum, ms) => sum + ms, 0)).toBe(190_000);
  expect(await stepAt(`${here}/`)).toBe('done');
});

test('the first step of a job runs only in the store of its spec', async () => {
  const deps = { store, patience: 1 } as unknown as Dependencies;
  const begin = async (theirs: FolderStore | null): Promise<unknown> => {
    const spec = {
      jobId: 'job',
      ...(theirs === null ? {} : { store: await storeIdentity(theirs) }),
    } as JobSpec;
    const step = async (): Promise<unknown> =>
      await withSpecStore(deps, spec, async () => await Promise.resolve('done'));
    return await new MockActivityEnvironment().run(step).catch((error: unknown) => error);
  };
  expect(await begin(new FolderStore(folder.at('here')))).toBe('done');
  expect(await begin(null)).toBe('done');
  expect(await begin(new FolderStore(folder.at('there')))).toMatchObject({
    type: 'OtherStore',
    message: expect.stringContaining(folder.at('there')),
  });
});
