import { getClient } from '@temporalio/activity';
import { ApplicationFailure, WorkflowNotFoundError } from '@temporalio/common';
import { FailureType } from '../core/failure.ts';
import { IDENTITY_MEMO } from '../core/job-listing.ts';
import type { JobReport } from '../core/progress.ts';
import { jobFiles } from '../store/job-files.ts';
import { readRecord } from '../store/store.ts';
import type { Dependencies } from './step/dependencies.ts';
import { withHeartbeat } from './step/heartbeat.ts';

export interface AwaitRequest {
  readonly job: string;
  readonly identity: string;
}

/**
 * Returns the report of a job that an earlier start of this run has begun, or null if the job ended without one and may be
 * started again. Safe twice: it only reads. It waits by being retried, which adds nothing to the history.
 * @throws ApplicationFailure `EarlierRunUnfinished` (retryable) while the job runs; `RunConflict` if it is a different job
 */
export async function awaitReport(
  { store }: Dependencies,
  { job, identity }: AwaitRequest,
): Promise<JobReport | null> {
  return await withHeartbeat(async () => {
    const { status, memo } = await describeJob(job);
    const identityOfJob = memo?.[IDENTITY_MEMO];
    if (status !== null && identityOfJob !== identity) {
      throw ApplicationFailure.nonRetryable(
        `Job ${job} exists with another input or other options: use a schedule of another name.`,
        FailureType.RunConflict,
      );
    }
    if (status === 'RUNNING') {
      throw ApplicationFailure.create({
        type: FailureType.EarlierRunUnfinished,
        message: `Job ${job} is already running, started by this run before a reset or by another run of the same time: waiting for its end.`,
      });
    }
    // Read after the status: a job that ended in between has its report.
    const report = await readRecord<JobReport>(store, jobFiles.report(job));
    if (report !== null || status !== 'COMPLETED') return report;
    throw ApplicationFailure.nonRetryable(
      `Job ${job} has ended, and its files are not in the store any more: delete its workflow to run and pay for it again.`,
      FailureType.RunConflict,
    );
  });
}

async function describeJob(
  job: string,
): Promise<{ status: string | null; memo: Record<string, unknown> | undefined }> {
  try {
    const { status, memo } = await getClient().workflow.getHandle(job).describe();
    return { status: status.name, memo };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return { status: null, memo: undefined };
    throw error;
  }
}
