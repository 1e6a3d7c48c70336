import { join } from 'node:path';
import { staticDetailsOf, summaryOf } from '../core/job-description.ts';
import { firstListing, IDENTITY_MEMO, PROGRESS_MEMO } from '../core/job-listing.ts';
import type { JobSpec } from '../core/job-spec.ts';
import { readEnvironment } from '../environment.ts';
import { identityOf } from '../job/job-identity.ts';
import { keepTemplate } from '../job/job-template.ts';
import { resolveStart, type StartOptions } from '../job/start-options.ts';
import { openStore } from '../store/open-store.ts';
import { storeIdentity } from '../store/store-identity.ts';

/** A job as a child of your workflow: the options of `executeChild` or `startChild`, as plain data. */
export interface ChildJob {
  /** The job's id: `client.job(workflowId)` finds the job. */
  readonly workflowId: string;
  /** The arguments of `batchJob`. */
  readonly args: [JobSpec];
  /** A cancelled parent waits until the child has fetched the answers that were paid. */
  readonly cancellationType: 'WAIT_CANCELLATION_COMPLETED';
  /** A parent that ends early cancels the child, which keeps the answers that were paid; termination would only stop the job. */
  readonly parentClosePolicy: 'REQUEST_CANCEL';
  /** A job that has ended may be a child again, of a parent that is run again: it finds its answers in the store and pays nothing. */
  readonly workflowIdReusePolicy: 'ALLOW_DUPLICATE';
  /** The job's identity, with which `client.start()` of the same input and options re-joins it, and its progress for `list`. */
  readonly memo: Readonly<Record<string, unknown>>;
  /** One line in Temporal's Web UI. */
  readonly staticSummary: string;
  /** The job's options and commands in the Web UI. */
  readonly staticDetails: string;
}

/** Options of a child job that depend on the parent's application. */
export interface ChildJobOptions {
  /** True when the namespace has the search attributes of jobs (`durable-batch setup`): then the child sets them. @default false */
  readonly searchable?: boolean;
  /** Folder whose store gets the rows and the template of a job of rows; the workers of the job must have the same one. @default `DURABLE_BATCH_HOME`, or `.durable-batch` */
  readonly home?: string;
}

/**
 * Checks options and reads the input once, as `client.start()` does, for a job that runs as a child workflow. Call it in an
 * activity and pass its result to `executeChild<typeof batchJob>('batchJob', …)`; add `taskQueue` if the workers
 * with our activities are on another queue than the parent's. Running it twice with the same data returns the same result; rows and
 * requests of code, tables and queries are stored, and no text of theirs is in the result.
 * @throws BatchError `bad_input`, `bad_option`: put `BatchError` into the activity's `nonRetryableErrorTypes`; `store_unavailable`
 */
export async function prepareChildJob(
  options: StartOptions,
  { searchable = false, home: folder = readEnvironment().home }: ChildJobOptions = {},
): Promise<ChildJob> {
  const store = openStore(join(folder, 'store'));
  const { spec: prepared, template, stored } = await resolveStart(options, store);
  if (template !== null) await keepTemplate(store, template);
  const { account = null, schedule = null } = prepared.labels ?? {};
  // Only a worker that sees the stored rows can build the shards.
  const place = stored === null ? {} : { store: await storeIdentity(store) };
  const spec = { ...prepared, ...place, labels: { account, schedule, searchable } };
  return {
    workflowId: spec.jobId,
    args: [spec],
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    parentClosePolicy: 'REQUEST_CANCEL',
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    memo: { [IDENTITY_MEMO]: identityOf(spec), [PROGRESS_MEMO]: firstListing },
    staticSummary: summaryOf(spec),
    staticDetails: staticDetailsOf(spec),
  };
}
