import { activityInfo } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { FailureType } from '../../core/failure.ts';
import type { JobSpec } from '../../core/job-spec.ts';
import { claimJobApi } from '../../store/job-api.ts';
import { jobFiles } from '../../store/job-files.ts';
import { storeIdentity } from '../../store/store-identity.ts';
import type { Dependencies } from './dependencies.ts';
import { failingSafely } from './safe-failure.ts';

/*
 * A queue may have workers of another store, another API or another project's key: forgotten ones, or those of somebody else.
 * What they do for a job would be lost, or bought twice, so that they leave its steps to others.
 */

/** A step that this worker cannot do is offered again after so long, times its attempts: the right worker may be busy. */
const TURN_MS = 1_000;

/** The most of it. */
const LONGEST_TURN_MS = 30_000;

/** After so many attempts, in some three minutes, no worker is at the right API with the right key: the job pauses and says so. */
const TURNS = 20;

/** Runs the first step of a job: in the store of whoever started it. */
export async function inStoreOf<T>(deps: Dependencies, spec: JobSpec, step: () => Promise<T>): Promise<T> {
  return await failingSafely(async () => {
    const { jobId, store } = spec;
    if (store !== undefined && store.id !== (await storeIdentity(deps.store)).id)
      throw otherStore(deps, jobId, ` at ${store.path}`);
    return await step();
  });
}

/** Runs a later step of a job: where the plan of its shards is. */
export async function inItsStore<T>(deps: Dependencies, job: string, step: () => Promise<T>): Promise<T> {
  return await failingSafely(async () => {
    if ((await deps.store.size(jobFiles.round(job, 1))) === null) throw otherStore(deps, job, '');
    return await step();
  });
}

/** Runs a step that calls the API for a job: at another API than its own it would find nothing, and buy again. */
export async function atItsApi<T>(deps: Dependencies, job: string, step: () => Promise<T>): Promise<T> {
  return await inItsStore(deps, job, async () => {
    if (await claimJobApi(deps.store, job, deps.api.baseURL)) return await step();
    throw otherApi(
      deps,
      `This worker's OPENAI_BASE_URL is not the one where the batches of job ${job} live: start a worker with the right one, then \`durable-batch resume ${job}\`.`,
    );
  });
}

/**
 * Returns when this worker's key sees a file that the job has uploaded, or when the server cannot tell. A key survives its
 * rotation so; one of another project sees neither the file nor the batches made of it, and its search for a batch in doubt
 * would find nothing where there is one.
 * @throws ApplicationFailure `OtherApi` when the key does not see the file, and would see it if it were there
 */
export async function assertSeesUpload(
  deps: Dependencies,
  job: string,
  fileId: string,
  signal: AbortSignal,
): Promise<void> {
  if ((await deps.api.isFileVisible(fileId, signal)) !== false) return;
  throw otherApi(
    deps,
    `This worker's OPENAI_API_KEY does not see ${fileId}, which job ${job} has uploaded, so that a batch made of it cannot be looked for: start a worker with a key of the same project, then \`durable-batch resume ${job}\`. If somebody has deleted the file, cancel the job and start its requests under another --job.`,
  );
}

function otherApi(deps: Dependencies, message: string): ApplicationFailure {
  return ApplicationFailure.create({
    type: FailureType.OtherApi,
    message,
    nonRetryable: activityInfo().attempt >= TURNS,
    nextRetryDelay: untilNextTurn(deps),
  });
}

function untilNextTurn({ patience }: Dependencies): number {
  return Math.max(1, patience * Math.min(LONGEST_TURN_MS, TURN_MS * activityInfo().attempt));
}

function otherStore(deps: Dependencies, job: string, where: string): ApplicationFailure {
  return ApplicationFailure.create({
    type: FailureType.OtherStore,
    message: `Job ${job} lives in another store${where}: left to a worker whose DURABLE_BATCH_HOME is the one that the job was started with.`,
    nextRetryDelay: untilNextTurn(deps),
  });
}
