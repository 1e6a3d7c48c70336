import type { WorkflowHandle } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/common';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { parseListed, PROGRESS_MEMO, shownState, type ListedProgress } from '../core/job-listing.ts';
import { costsOfReport, endStateOf, type JobProgress, type JobReport } from '../core/progress.ts';
import { progressQuery } from '../workflows/messages.ts';
import { listedLabels } from './job-labels.ts';
import type { JobRecords } from './job-records.ts';
import { retriesOf, stepBytesOf, withHeartbeat, type StepBytes, type StepRetry } from './pending-steps.ts';
import { SharedRead } from './shared-read.ts';
import type { TemporalCalls } from './temporal-calls.ts';
import { jobNotFound } from './temporal-failure.ts';

/** The status of a job; all but `progress` is available without a worker. */
export interface JobStatus {
  /** The job's id. */
  readonly jobId: string;
  /** Temporal's status: RUNNING, COMPLETED, FAILED, … */
  readonly status: string;
  /** What the job is doing or how it has ended, as `JobSummary.state`. */
  readonly state: string;
  /** Null if no worker responds, or the job has ended without results. */
  readonly progress: JobProgress | null;
  /** Why a job ended without results; null for others. */
  readonly failure: string | null;
  /** Steps that have failed, or wait, and are retried. */
  readonly retries: readonly StepRetry[];
  /** The step that processes a file; null if there is none, or it has not reported its progress yet. */
  readonly step: StepBytes | null;
  /** The result of the job in numbers; null until it has results. */
  readonly report: JobReport | null;
  /** The progress in the server's list, available without a worker; null for jobs of version 0.1. */
  readonly listed: ListedProgress | null;
  /** The account that pays, as the user names it; null if none was given or the server lacks our search attributes. */
  readonly account: string | null;
  /** The schedule that started it; null for others, and if the server lacks our search attributes. */
  readonly schedule: string | null;
}

/** The job's workflow at the server. */
interface ServerStatus extends Pick<JobStatus, 'retries' | 'step' | 'listed' | 'account' | 'schedule'> {
  /** Null if the server has no such workflow. */
  readonly status: string | null;
  /** Changes with every event of the workflow. */
  readonly version: string;
  /** Adds the latest counts of running steps to the progress that the workflow reported. */
  readonly updated: (progress: JobProgress) => JobProgress;
}

/** How long a query waits for a worker. */
const QUERY_MS = 4_000;

/** A job whose history does not change is queried again after this time: only a query shows that no worker is running. */
const QUERY_AGAIN_MS = 30_000;

/** Reads the status of a job from the server, its workers and the store. */
export class JobStatusReader {
  private readonly calls: TemporalCalls;
  private readonly records: JobRecords;
  private readonly shared: SharedRead<JobStatus>;
  private last: { readonly version: string; readonly progress: JobProgress; readonly at: number } | null =
    null;

  constructor(calls: TemporalCalls, records: JobRecords) {
    this.calls = calls;
    this.records = records;
    this.shared = new SharedRead(() => this.read(true));
  }

  /** A status that all watchers of the handle share, at most `maxAgeMs` old. */
  async readShared(maxAgeMs: number): Promise<JobStatus> {
    return await this.shared.read(maxAgeMs);
  }

  /**
   * Reads the status. A watcher waits while the server is unavailable, and does not query a job with an unchanged history.
   * @throws BatchError `job_not_found`
   */
  async read(watching: boolean): Promise<JobStatus> {
    const { jobId } = this.records;
    this.calls.assertOpen();
    const { status, version, updated, retries, step, ...entry } = await this.readServer(watching);
    // Read last: a workflow writes it before it ends, so that a workflow that has ended need not be queried.
    const report = await this.records.report();
    if (status === null && report === null) throw jobNotFound(jobId);
    if (report !== null) {
      const progress = doneProgress(report);
      return {
        jobId,
        status: 'COMPLETED',
        state: progress.state,
        progress,
        failure: null,
        retries: [],
        step: null,
        report,
        ...entry,
      };
    }
    const isRunning = status === 'RUNNING';
    const reported = isRunning ? await this.progressAt(version, watching) : null;
    const progress = reported === null ? null : updated(reported);
    const failure = isRunning || status === null ? null : await this.failure();
    return {
      jobId,
      status: status ?? 'COMPLETED',
      state: shownState(status ?? 'COMPLETED', progress?.state ?? entry.listed?.state ?? null),
      progress,
      failure,
      retries,
      step,
      report,
      ...entry,
    };
  }

  /** Reads the status at the server; a `patient` call waits while the server is unavailable. */
  async readServer(patient: boolean): Promise<ServerStatus> {
    return await this.calls.run(
      async (): Promise<ServerStatus> => {
        try {
          const { status, runId, historyLength, raw, memo, typedSearchAttributes } =
            await this.handle().describe();
          const { account, schedule } = listedLabels(typedSearchAttributes);
          const listed = parseListed(memo?.[PROGRESS_MEMO]);
          return {
            status: status.name,
            version: `${runId} ${historyLength}`,
            retries: retriesOf(raw),
            step: stepBytesOf(raw),
            updated: (progress) => withHeartbeat(progress, raw),
            listed,
            account,
            schedule,
          };
        } catch (error) {
          if (error instanceof WorkflowNotFoundError)
            return {
              status: null,
              version: '',
              updated: (progress) => progress,
              retries: [],
              step: null,
              listed: null,
              account: null,
              schedule: null,
            };
          throw error;
        }
      },
      { jobId: this.records.jobId, patient },
    );
  }

  /** A watcher does not query the same history again for a while: some servers bill queries. */
  private async progressAt(version: string, watching: boolean): Promise<JobProgress | null> {
    const { last } = this;
    if (watching && last?.version === version && performance.now() - last.at < QUERY_AGAIN_MS)
      return last.progress;
    const at = performance.now();
    const progress = await this.queryProgress();
    this.last = progress === null ? null : { version, progress, at };
    return progress;
  }

  private async queryProgress(): Promise<JobProgress | null> {
    const query = (): Promise<JobProgress> => this.handle().query(progressQuery);
    try {
      return await this.calls.run((client) => client.withDeadline(Date.now() + QUERY_MS, query));
    } catch {
      return null; // no worker responded in time: only the server's status is known
    }
  }

  private async failure(): Promise<string | null> {
    const ended = (): Promise<unknown> => this.handle().result();
    try {
      await this.calls.run((client) => client.withDeadline(Date.now() + QUERY_MS, ended), {
        jobId: this.records.jobId,
      });
      return null;
    } catch (error) {
      const isAway = error instanceof BatchError && error.code === ErrorCode.TemporalUnavailable;
      return error instanceof Error && !isAway ? error.message : null; // the server did not respond in time
    }
  }

  private handle(): WorkflowHandle {
    return this.calls.client.workflow.getHandle(this.records.jobId);
  }
}

function doneProgress(report: JobReport): JobProgress {
  const costs = costsOfReport(report);
  return {
    jobId: report.job_id,
    state: endStateOf(report),
    reason: null,
    notices: [],
    round: report.rounds,
    lines: report.lines,
    answered: report.answered,
    failed: report.failed,
    running: 0,
    shards: { total: 0, waiting: 0, inFlight: 0, done: 0 },
    batches: {},
    created: report.batches,
    inputTokens: report.input_tokens,
    outputTokens: report.output_tokens,
    startedAt: report.started_at,
    uploaded: report.lines,
    costUsd: report.cost_usd,
    costUsdWithoutBatch: report.cost_usd_without_batch,
    ...(costs === undefined ? {} : { costs }),
    table: [],
  };
}
