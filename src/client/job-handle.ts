import { createReadStream } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/common';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { JobState, type JobProgress, type JobReport } from '../core/progress.ts';
import { jobFiles } from '../store/job-files.ts';
import { readRecord, type Store } from '../store/store.ts';
import { cancelSignal, pauseSignal, progressQuery, resumeSignal } from '../workflows/messages.ts';
import { toBatchError } from './job-failure.ts';
import { checkOutputFolder, copyResults } from './output-folder.ts';
import { retriesOf, stepBytesOf, type StepBytes, type StepRetry } from './pending-steps.ts';

/** One row of `results.jsonl`. */
export interface ResultRow {
  readonly line: number;
  readonly id: string;
  readonly status: 'answered' | 'failed' | 'cancelled';
  readonly attempts: number;
  readonly batch_id: string | null;
  /** The endpoint's body, as the API sent it. */
  readonly response: unknown;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly usage: { readonly input_tokens: number; readonly output_tokens: number } | null;
}

/** How a job stands at the server, told without a worker. */
export interface JobStatus {
  readonly jobId: string;
  /** Temporal's word: RUNNING, COMPLETED, FAILED, … */
  readonly status: string;
  /** Null when no worker answers, or the job has ended without results. */
  readonly progress: JobProgress | null;
  /** Why a job ended without results; null for others. */
  readonly failure: string | null;
  /** Steps that have failed and are tried again. */
  readonly retries: readonly StepRetry[];
  /** The step that works through a file; null where none does, or none has told how far it is. */
  readonly step: StepBytes | null;
  readonly report: JobReport | null;
}

/** A query waits this long for a worker. */
const QUERY_MS = 4_000;

/** A server that is being restarted is waited for this long. */
const SERVER_AWAY_MS = 60_000;

/** A job that was started, by this process or any other. */
export class JobHandle {
  readonly id: string;
  private readonly client: Client;
  private readonly store: Store;

  constructor(id: string, client: Client, store: Store) {
    this.id = id;
    this.client = client;
    this.store = store;
  }

  /**
   * Where the job stands.
   * @throws BatchError `job_not_found`
   */
  async status(): Promise<JobStatus> {
    const report = await readRecord<JobReport>(this.store, jobFiles.report(this.id));
    const { status, retries, step } = await this.serverStatus();
    if (status === null && report === null) throw this.notFound();
    if (report !== null && status !== 'RUNNING') {
      const progress = doneProgress(report);
      return {
        jobId: this.id,
        status: 'COMPLETED',
        progress,
        failure: null,
        retries: [],
        step: null,
        report,
      };
    }
    const isRunning = status === 'RUNNING';
    const progress = isRunning ? await this.queryProgress() : null;
    const failure = isRunning || status === null ? null : await this.failure();
    return { jobId: this.id, status: status ?? 'COMPLETED', progress, failure, retries, step, report };
  }

  /** True when the results are in the store; asks neither the server nor a worker. */
  async isFinished(): Promise<boolean> {
    return (await this.store.size(jobFiles.report(this.id))) !== null;
  }

  /** Progress as it changes, until the job ends. `onStep` is told, before each, how far a step is that works through a file. */
  async *watch(
    intervalMs: number = 1_000,
    onStep?: (step: StepBytes | null) => void,
  ): AsyncGenerator<JobProgress> {
    for (;;) {
      try {
        const { status, progress, report, step } = await this.status();
        onStep?.(step);
        if (progress !== null) yield progress;
        if (report !== null || status !== 'RUNNING') return;
      } catch (error) {
        if (!isUnreachable(error)) throw error; // a server that comes back is asked again; `report` says when it does not
      }
      await sleep(intervalMs);
    }
  }

  /**
   * Waits for the end of the job.
   * @throws BatchError `bad_input` and others of `failureMeaning`; `job_failed`; `job_not_found`
   */
  async report(): Promise<JobReport> {
    const kept = await readRecord<JobReport>(this.store, jobFiles.report(this.id));
    if (kept !== null) return kept;
    let unreachableSince: number | null = null;
    for (;;) {
      try {
        return (await this.handle().result()) as JobReport;
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) throw this.notFound();
        if (!isUnreachable(error)) throw toBatchError(error, this.id);
        unreachableSince ??= Date.now();
        if (Date.now() - unreachableSince > SERVER_AWAY_MS) {
          throw new BatchError(
            ErrorCode.TemporalUnavailable,
            `The Temporal server has gone away. Job ${this.id} keeps its place: start the server and run the same command again.`,
            { details: { jobId: this.id } },
          );
        }
        await sleep(500);
      }
    }
  }

  /** Waits for the end and reads the rows one by one, in the input's order. */
  async *results(): AsyncGenerator<ResultRow> {
    await this.report();
    const path = await this.store.filePath(jobFiles.results(this.id));
    // Not readline: it would also split at U+2028.
    for await (const line of splitLines(createReadStream(path))) yield JSON.parse(line) as ResultRow;
  }

  /**
   * Waits for the end and puts `results.jsonl`, `report.json` and, where it was made, `report.html` into a folder.
   * @throws BatchError `bad_output` when the folder cannot be written or holds another job's results
   */
  async save(folder: string): Promise<JobReport> {
    await checkOutputFolder(folder, this.id);
    const report = await this.report();
    const files = {
      results: await this.store.filePath(jobFiles.results(this.id)),
      page: await this.store.filePath(jobFiles.page(this.id)),
      report: await this.store.filePath(jobFiles.report(this.id)),
    };
    await copyResults(files, folder, this.id);
    return report;
  }

  /** Cancels what is in flight at the API, keeps what was answered, and ends the other lines `cancelled`. */
  async cancel(): Promise<void> {
    await this.signal((handle) => handle.signal(cancelSignal));
  }

  /** Starts nothing new until `resume()`; what is in flight goes on. */
  async pause(reason: string = 'asked for'): Promise<void> {
    await this.signal((handle) => handle.signal(pauseSignal, reason));
  }

  /** Goes on after a pause. */
  async resume(): Promise<void> {
    await this.signal((handle) => handle.signal(resumeSignal));
  }

  private handle(): WorkflowHandle {
    return this.client.workflow.getHandle(this.id);
  }

  private async signal(send: (handle: WorkflowHandle) => Promise<void>): Promise<void> {
    try {
      await send(this.handle());
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
      if ((await this.serverStatus()).status === null) throw this.notFound();
      throw new BatchError(
        ErrorCode.JobConflict,
        `Job ${this.id} has ended: there is nothing to change any more.`,
        { details: { jobId: this.id } },
      );
    }
  }

  private async serverStatus(): Promise<{
    status: string | null;
    retries: StepRetry[];
    step: StepBytes | null;
  }> {
    try {
      const { status, raw } = await this.handle().describe();
      return { status: status.name, retries: retriesOf(raw), step: stepBytesOf(raw) };
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return { status: null, retries: [], step: null };
      throw error;
    }
  }

  private async queryProgress(): Promise<JobProgress | null> {
    try {
      return await this.client.withDeadline(Date.now() + QUERY_MS, () => this.handle().query(progressQuery));
    } catch {
      return null; // no worker answered in time: the status says RUNNING, and that is all that is known
    }
  }

  private async failure(): Promise<string | null> {
    try {
      await this.client.withDeadline(Date.now() + QUERY_MS, () => this.handle().result());
      return null;
    } catch (error) {
      const told = toBatchError(error, this.id);
      return told instanceof BatchError ? told.message : null; // the server did not say in time
    }
  }

  private notFound(): BatchError {
    return new BatchError(
      ErrorCode.JobNotFound,
      `No job has the id ${this.id}: see \`durable-batch list\`.`,
      { details: { jobId: this.id } },
    );
  }
}

/** gRPC's UNAVAILABLE or a call cut off: the server is gone or starting. */
function isUnreachable(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as { code?: unknown };
    if (code === 14 || code === 4 || code === 1) return true;
  }
  return false;
}

function doneProgress(report: JobReport): JobProgress {
  return {
    jobId: report.job_id,
    state: JobState.Done,
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
    table: [],
  };
}

/** Lines that end at `\n` and nowhere else. */
async function* splitLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    let block: Buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let end = block.indexOf(0x0a); end !== -1; end = block.indexOf(0x0a)) {
      yield block.toString('utf8', 0, end);
      block = block.subarray(end + 1);
    }
    rest = block;
  }
  if (rest.length > 0) yield rest.toString('utf8');
}
