import { WorkflowExecutionAlreadyStartedError, type Client, type Connection } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/common';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { staticDetailsOf, summaryOf } from '../core/job-description.ts';
import { firstListing, IDENTITY_MEMO, PROGRESS_MEMO } from '../core/job-listing.ts';
import type { JobSpec } from '../core/job-spec.ts';
import type { JobReport } from '../core/progress.ts';
import { readEnvironment } from '../environment.ts';
import { identityOf } from '../job/job-identity.ts';
import { rememberJob } from '../job/same-job.ts';
import { jobFiles } from '../store/job-files.ts';
import { currentPass } from '../store/job-pass.ts';
import { readRecord, type Store } from '../store/store.ts';
import { storeIdentity } from '../store/store-identity.ts';
import { isSearchable, type TemporalTarget } from '../temporal/index.ts';
import { BATCH_JOB, pollSignal, rebuySignal } from '../workflows/messages.ts';
import { startAttributes } from './job-labels.ts';

/** The client, server, store and task queue of a start. */
export interface StartSite {
  readonly client: Client;
  readonly target: TemporalTarget;
  readonly store: Store;
  readonly taskQueue: string;
}

/**
 * Starts the workflow of a job, unless the job is running or has its results. A finished job is not started again, even if its
 * history at the server was deleted; only `spec.rebuy` and another pass start it again.
 * @throws BatchError `job_conflict` when the id belongs to a job of another input or other options
 */
export async function startOrJoin(site: StartSite, spec: JobSpec): Promise<void> {
  const { store } = site;
  const { jobId } = spec;
  const kept = await readRecord<JobSpec>(store, jobFiles.spec(jobId));
  if (kept !== null) {
    assertSame(identityOf(kept), spec);
    await rememberJob(store, spec);
  }
  const report = await readRecord<JobReport>(store, jobFiles.report(jobId));
  if (report !== null && !(spec.rebuy && hasLostAnswers(report))) return;
  if (spec.rebuy && kept !== null) await markRebuy(store, jobId);
  // The mark may be from a process that died before it started the job again.
  const isMarked = (await store.size(jobFiles.rebuy(jobId))) !== null;
  const startsAgain = spec.rebuy || isMarked || (await currentPass(store, jobId)) > 0;
  try {
    await startWorkflow(site, spec, startsAgain);
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    await join(site, spec, kept !== null);
  }
  await rememberJob(store, spec);
}

async function startWorkflow(
  { client, target, store, taskQueue }: StartSite,
  spec: JobSpec,
  startsAgain: boolean,
): Promise<void> {
  const { patience } = readEnvironment();
  const { account = null, schedule = null } = spec.labels ?? {};
  const searchable = await isSearchable(client.connection as Connection, target);
  const home = await storeIdentity(store);
  const labelled = { ...spec, store: home, labels: { account, schedule, searchable } };
  await client.workflow.start(BATCH_JOB, {
    workflowId: spec.jobId,
    taskQueue,
    args: patience === 1 ? [labelled] : [labelled, undefined, { patience }],
    // A finished job is started again for lines without an answer: all others are in the store.
    workflowIdReusePolicy: startsAgain ? 'ALLOW_DUPLICATE' : 'ALLOW_DUPLICATE_FAILED_ONLY',
    // The first listing costs nothing here; the workflow would need an event for it.
    memo: { [IDENTITY_MEMO]: identityOf(spec), [PROGRESS_MEMO]: firstListing },
    ...(searchable ? { typedSearchAttributes: startAttributes(labelled) } : {}),
    staticSummary: summaryOf(labelled),
    staticDetails: staticDetailsOf(labelled),
  });
}

/** Joins a workflow that exists. */
async function join({ client }: StartSite, spec: JobSpec, isKept: boolean): Promise<void> {
  const running = client.workflow.getHandle(spec.jobId);
  const { memo } = await running.describe();
  const theirs = memo?.[IDENTITY_MEMO];
  // A child workflow without our memo was compared with its record in the store before.
  if (typeof theirs === 'string' || !isKept) assertSame(typeof theirs === 'string' ? theirs : '', spec);
  if (spec.rebuy) await running.signal(rebuySignal);
  // The signal replaces a poll of a worker that has died, so that the job does not wait for its timeout.
  await running.signal(pollSignal).catch((ended: unknown) => {
    if (!(ended instanceof WorkflowNotFoundError)) throw ended;
  });
}

/** Records in the store that lost answers are bought again, for the next start of the job, and that the job is not finished. */
async function markRebuy(store: Store, jobId: string): Promise<void> {
  await store.claim(jobFiles.rebuy(jobId), JSON.stringify({ at: Date.now() }));
  await store.remove(jobFiles.report(jobId));
}

/** Reports of earlier versions have only the count of the error code. */
function hasLostAnswers({ unavailable, errors }: JobReport): boolean {
  return (unavailable ?? errors['answer_unavailable'] ?? 0) > 0;
}

function assertSame(theirs: string, spec: JobSpec): void {
  if (theirs === identityOf(spec)) return;
  const { jobId } = spec;
  throw new BatchError(
    ErrorCode.JobConflict,
    `Job ${jobId} exists with another input or other options: choose another --job, or give the same ones to re-join it.`,
    { details: { jobId } },
  );
}
