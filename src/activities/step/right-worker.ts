import { activityInfo } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { FailureType } from '../../core/failure.ts';
import type { JobSpec } from '../../core/job-spec.ts';
import { claimJobApi } from '../../store/job-api.ts';
import { jobFiles } from '../../store/job-files.ts';
import { storeIdentity } from '../../store/store-identity.ts';
import type { Dependencies } from './dependencies.ts';
import { withSafeFailures } from './safe-failure.ts';

/*
 * A queue may have workers with another store, another API or a key of another project. Their work for a job would be lost
 * or paid twice, so they leave its steps to other workers.
 */

/** A step that this worker cannot run is retried after this long, times its attempts: the right worker may be busy. */
const TURN_MS = 1_000;

/** The longest of these waits. */
const LONGEST_TURN_MS = 30_000;

/** After this many attempts, some three minutes, the job pauses: no worker has the right API and key. */
const TURNS = 20;

/** Runs the first step of a job, in the store that its spec names. */
export async function withSpecStore<T>(
  deps: Dependencies,
  { jobId, store }: { readonly jobId: string; readonly store?: JobSpec['store'] | undefined },
  step: () => Promise<T>,
): Promise<T> {
  return await withSafeFailures(async () => {
    if (store !== undefined && store.id !== (await storeIdentity(deps.store)).id)
      throw otherStore(deps, jobId, ` at ${store.path}`);
    return await step();
  });
}

/** Runs a later step of a job, in the store that has the plan of its shards. */
export async function withJobStore<T>(deps: Dependencies, job: string, step: () => Promise<T>): Promise<T> {
  return await withSafeFailures(async () => {
    if ((await deps.store.size(jobFiles.round(job, 1))) === null) throw otherStore(deps, job, '');
    return await step();
  });
}

/** Runs a step that calls the API for a job. At another API it would find no batches, and pay for the lines again. */
export async function withJobApi<T>(deps: Dependencies, job: string, step: () => Promise<T>): Promise<T> {
  return await withJobStore(deps, job, async () => {
    if (await claimJobApi(deps.store, job, deps.api.baseURL)) return await step();
    throw otherApi(
      deps,
      `This worker's OPENAI_BASE_URL is not the API that has the batches of job ${job}: start a worker with the right one, then \`durable-batch resume ${job}\`.`,
    );
  });
}

/**
 * Returns if this worker's key can read a file that the job has uploaded, or if the server does not show that. So a rotated
 * key is accepted. A key of another project can read neither the file nor its batches, and would not find a batch in doubt.
 * @throws ApplicationFailure `OtherApi` if the key cannot read the file on a server that shows files
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
    `This worker's OPENAI_API_KEY cannot read ${fileId}, which job ${job} has uploaded, so a search for its batch would miss it: start a worker with a key of the same project, then \`durable-batch resume ${job}\`. If the file was deleted, cancel the job and start its requests under another --job.`,
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
    message: `Job ${job} is in another store${where}: a worker with the DURABLE_BATCH_HOME that the job was started with has to run this step.`,
    nextRetryDelay: untilNextTurn(deps),
  });
}
