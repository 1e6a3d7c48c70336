import {
  defineSearchAttributeKey,
  SearchAttributeType,
  WorkflowExecutionAlreadyStartedError,
} from '@temporalio/common';
import {
  CancellationScope,
  ChildWorkflowCancellationType,
  executeChild,
  getExternalWorkflowHandle,
  isCancellation,
  ParentClosePolicy,
  proxyActivities,
  rootCause,
  setCurrentDetails,
  upsertMemo,
  WorkflowIdReusePolicy,
  workflowInfo,
} from '@temporalio/workflow';
import type { PreparedRun, ScheduleActivities } from '../activities/index.ts';
import { staticDetailsOf, summaryOf } from '../core/job-description.ts';
import { firstListing, IDENTITY_MEMO, PROGRESS_MEMO } from '../core/job-listing.ts';
import type { JobReport } from '../core/progress.ts';
import {
  RUN_MEMO,
  RunOutcome,
  type RunMemo,
  type ScheduledRun,
  type ScheduleSpec,
} from '../core/schedule-spec.ts';
import { BATCH_JOB } from './messages.ts';

type ScheduledJob = NonNullable<PreparedRun['job']>;

/** Set by the server: when the run was due, without jitter; of a run that was triggered, when that was. */
const dueTime = defineSearchAttributeKey('TemporalScheduledStartTime', SearchAttributeType.DATETIME);

// A heartbeat comes every 5 s; after a week a disk that cannot be read, or a job that is waited for, is given up.
const limits = {
  heartbeatTimeout: '20s',
  scheduleToCloseTimeout: '7 days',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '1m' },
} as const;

// The input is read once; the results are copied once: 100 GB at 50 MB/s take half an hour, a day is for slow disks.
const files = { ...limits, startToCloseTimeout: '24h' } as const;
const { prepareScheduledJob } = proxyActivities<ScheduleActivities>({
  ...files,
  summary: 'name and read the input of this time',
});
const { saveResults } = proxyActivities<ScheduleActivities>({ ...files, summary: 'copy the results' });

// One read of the server and the store; the retries are the waiting.
const { awaitReport } = proxyActivities<ScheduleActivities>({
  ...limits,
  startToCloseTimeout: '1m',
  summary: 'wait for the job that was started before',
});

/**
 * A run of a schedule: names the input of its time, runs the job as a child, copies the results where they are wanted.
 *
 * The job's id comes from the time at which the run was due, so that a run that is caught up, retried, reset or
 * backfilled a second time finds the same job, and pays for nothing twice.
 */
export async function scheduledJob(spec: ScheduleSpec): Promise<ScheduledRun> {
  const { typedSearchAttributes, startTime } = workflowInfo();
  const dueAt = (typedSearchAttributes.get(dueTime) ?? startTime).toISOString();
  let memo: RunMemo = { outcome: null, job: null, input: null, reason: null };
  try {
    const { input, skipped, job } = await prepareScheduledJob({ spec, dueAt });
    if (job === null) {
      const run = { outcome: RunOutcome.Skipped, job: null, input, reason: skipped };
      showRun(run);
      return run;
    }
    const { jobId } = job.spec;
    memo = { ...memo, job: jobId, input };
    showRun(memo);
    const report = job.report ?? (await runJob(job));
    const { out, keep, npy } = job;
    const table = { ...(keep === undefined ? {} : { keep }), ...(npy === undefined ? {} : { npy }) };
    // A cancelled run's job has a report, too: what was paid is handed out.
    if (out !== null)
      await CancellationScope.nonCancellable(() => saveResults({ job: jobId, folder: out, ...table }));
    const run = { outcome: RunOutcome.Done, job: jobId, input, reason: null };
    showRun(run, report);
    return run;
  } catch (error) {
    if (!isCancellation(error)) showRun({ ...memo, reason: rootCause(error) ?? 'unknown' });
    throw error;
  }
}

/** Runs the job, or waits for the one that an earlier history of this run has started; returns its report. */
async function runJob(job: ScheduledJob): Promise<JobReport> {
  for (;;) {
    try {
      return await runChild(job);
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
    const report = await awaitStarted(job);
    if (report !== null) return report;
    // It ended without a report, as a terminated job does: it is started again, and finds what it has bought.
  }
}

async function runChild({ spec, identity }: ScheduledJob): Promise<JobReport> {
  return (await executeChild(BATCH_JOB, {
    workflowId: spec.jobId,
    args: [spec],
    // A cancelled or terminated run cancels its job, which keeps what was paid; ended by force it would be lost.
    parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
    cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
    workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
    memo: { [IDENTITY_MEMO]: identity, [PROGRESS_MEMO]: firstListing },
    staticSummary: summaryOf(spec),
    staticDetails: staticDetailsOf(spec),
  })) as JobReport;
}

async function awaitStarted({ spec: { jobId }, identity }: ScheduledJob): Promise<JobReport | null> {
  try {
    return await awaitReport({ job: jobId, identity });
  } catch (error) {
    if (!isCancellation(error)) throw error;
    return await CancellationScope.nonCancellable(async () => {
      await getExternalWorkflowHandle(jobId).cancel();
      return await awaitReport({ job: jobId, identity });
    });
  }
}

/** Shows the state of the run: in the memo, which lists and `describe` read, and on the run's page. */
function showRun(run: RunMemo, report?: JobReport): void {
  upsertMemo({ [RUN_MEMO]: run });
  const { outcome, job, input, reason } = run;
  const lines = [
    `**${outcome ?? (reason === null ? 'running' : 'failed')}**${reason === null ? '' : `: ${reason}`}`,
  ];
  lines.push('');
  if (input !== null) lines.push(`- input \`${input}\``);
  if (job !== null) lines.push(`- job \`${job}\`, a child of this run`);
  if (report !== undefined) {
    const { answered, failed, cancelled, reused } = report;
    lines.push(
      `- ${answered} answered${reused === undefined ? '' : ` (${reused} by earlier runs)`}, ${failed} failed, ${cancelled} cancelled`,
    );
  }
  setCurrentDetails(lines.join('\n'));
}
