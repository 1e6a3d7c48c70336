import { staticDetailsOf, summaryOf } from '../core/job-description.ts';
import { firstListing, IDENTITY_MEMO, PROGRESS_MEMO } from '../core/job-listing.ts';
import type { JobOptions, JobSpec } from '../core/job-spec.ts';
import { identityOf } from '../job/job-identity.ts';
import { prepareJob } from '../job/prepare-job.ts';

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
}

/**
 * Checks options and reads the input once, as `client.start()` does, for a job that runs as a child workflow. Call it in an
 * activity and pass its result to `executeChild<typeof batchJob>('batchJob', …)`; add `taskQueue` if the workers
 * with our activities are on another queue than the parent's. Running it twice returns the same result.
 * @throws BatchError `bad_input`, `bad_option`: put `BatchError` into the activity's `nonRetryableErrorTypes`
 */
export async function prepareChildJob(
  options: JobOptions,
  { searchable = false }: ChildJobOptions = {},
): Promise<ChildJob> {
  const prepared = await prepareJob(options);
  const { account = null, schedule = null } = prepared.labels ?? {};
  const spec = { ...prepared, labels: { account, schedule, searchable } };
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
