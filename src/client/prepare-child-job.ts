import { staticDetailsOf, summaryOf } from '../core/job-description.ts';
import { firstListing, IDENTITY_MEMO, PROGRESS_MEMO } from '../core/job-listing.ts';
import type { JobOptions, JobSpec } from '../core/job-spec.ts';
import { identityOf } from '../job/job-identity.ts';
import { prepareJob } from '../job/prepare-job.ts';

/** How a workflow of yours runs a job as its child: the options of `executeChild` or `startChild`, as plain data. */
export interface ChildJob {
  /** The job's id: `client.job(workflowId)` finds the job. */
  readonly workflowId: string;
  /** What `batchJob` is called with. */
  readonly args: [JobSpec];
  /** A cancelled parent waits until the child has fetched what was paid. */
  readonly cancellationType: 'WAIT_CANCELLATION_COMPLETED';
  /** A parent that ends early asks the child to cancel, which keeps what was paid; a terminated job would only stop. */
  readonly parentClosePolicy: 'REQUEST_CANCEL';
  /** A job that has ended may be a child again, of a parent that was run again: it finds its answers in the store and pays nothing. */
  readonly workflowIdReusePolicy: 'ALLOW_DUPLICATE';
  /** By this `client.start()` with the same input and options knows the job as its own, and `list` where it stands. */
  readonly memo: Readonly<Record<string, unknown>>;
  /** One line in Temporal's Web UI. */
  readonly staticSummary: string;
  /** What the Web UI shows of the job before it says more itself. */
  readonly staticDetails: string;
}

/** What only the parent's application knows. */
export interface ChildJobOptions {
  /** True when the namespace has the search attributes of jobs (`durable-batch setup`): then the child sets them. @default false */
  readonly searchable?: boolean;
}

/**
 * Checks options and reads the input once, as `client.start()` does, for a job that runs as a child workflow. Call it in an
 * activity and give what it answers to `executeChild<typeof batchJob>('batchJob', …)`; add `taskQueue` where the workers
 * with our activities are on another queue than the parent's. Running it twice gives the same answer.
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
