import { activityInfo } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { FailureType } from '../core/failure.ts';
import type { JobSpec } from '../core/job-spec.ts';
import { claimJobApi } from '../store/job-api.ts';
import { jobFiles } from '../store/job-files.ts';
import { storeIdentity } from '../store/store-identity.ts';
import type { Dependencies } from './dependencies.ts';
import { failingSafely } from './safe-failure.ts';

/*
 * A queue may have workers of another store, or of another API: forgotten ones, or those of somebody else. What they do for a
 * job would be lost, or bought twice, so that they leave its steps to others.
 */

/** A step that this worker cannot do is offered again after so long, times its attempts: the right worker may be busy. */
const TURN_MS = 1_000;

/** The most of it. */
const LONGEST_TURN_MS = 30_000;

/** A step that so many attempts found at another API, in some three minutes, has no worker at the right one: the job pauses and says so. */
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
    throw ApplicationFailure.create({
      type: FailureType.OtherApi,
      message: `This worker's OPENAI_BASE_URL is not the one where the batches of job ${job} live: start a worker with the right one, then \`durable-batch resume ${job}\`.`,
      nonRetryable: activityInfo().attempt >= TURNS,
      nextRetryDelay: untilNextTurn(deps),
    });
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
