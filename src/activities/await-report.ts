import { getClient } from '@temporalio/activity';
import { ApplicationFailure, WorkflowNotFoundError } from '@temporalio/common';
import { FailureType } from '../core/failure.ts';
import { IDENTITY_MEMO } from '../core/job-listing.ts';
import type { JobReport } from '../core/progress.ts';
import { jobFiles } from '../store/job-files.ts';
import { readRecord } from '../store/store.ts';
import type { Dependencies } from './step/dependencies.ts';
import { whileBeating } from './step/heartbeat.ts';

export interface AwaitRequest {
  readonly job: string;
  readonly identity: string;
}

/**
 * The report of a job that another history of this run has started, or null when that job ended without one and may be
 * started again. Safe twice: it only reads; the retries are the waiting, and cost no history.
 * @throws ApplicationFailure `EarlierRunUnfinished` (try again) while the job works; `RunConflict` when it is another job
 */
export async function awaitReport(
  { store }: Dependencies,
  { job, identity }: AwaitRequest,
): Promise<JobReport | null> {
  return await whileBeating(async () => {
    const { status, memo } = await describeJob(job);
    const theirs = memo?.[IDENTITY_MEMO];
    if (status !== null && theirs !== identity) {
      throw ApplicationFailure.nonRetryable(
        `Job ${job} exists with another input or other options: use a schedule of another name.`,
        FailureType.RunConflict,
      );
    }
    if (status === 'RUNNING') {
      throw ApplicationFailure.create({
        type: FailureType.EarlierRunUnfinished,
        message: `Job ${job} was started before, by this run before a reset or by another one of the same time: its end is waited for.`,
      });
    }
    // Read after the look: a job that ended in between has its report.
    const report = await readRecord<JobReport>(store, jobFiles.report(job));
    if (report !== null || status !== 'COMPLETED') return report;
    throw ApplicationFailure.nonRetryable(
      `Job ${job} has ended, and its files are gone from the store: delete its workflow to buy it again.`,
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
