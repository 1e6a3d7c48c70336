import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { WorkflowHandle } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/common';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { assertPriority, type JobSpec } from '../core/job-spec.ts';
import type { Priority } from '../core/priority.ts';
import type { TablePreview } from '../output/preview-table.ts';
import { mayRetry, type JobProgress, type JobReport } from '../core/progress.ts';
import type { ResultRow } from '../core/result-row.ts';
import { requestPass } from '../store/job-pass.ts';
import type { Store } from '../store/store.ts';
import { cancelSignal, pauseSignal, prioritySignal, resumeSignal } from '../workflows/messages.ts';
import { abortable, sleep } from './abortable.ts';
import { JobRecords } from './job-records.ts';
import { JobResults, type SaveOptions, type WaitOptions } from './job-results.ts';
import { JobStatusReader, type JobStatus } from './job-status.ts';
import { nameFailures, type NamedReport } from './named-failures.ts';
import type { StepBytes } from './pending-steps.ts';
import { parseRow, type RowText } from './result-rows.ts';
import { withStoreErrors } from './store-errors.ts';
import { readRefusals, type Refusal } from './refusals.ts';
import type { TemporalCalls } from './temporal-calls.ts';
import { jobNotFound } from './temporal-failure.ts';
import { toTypedRow, type TypedRow } from './typed-row.ts';

/** What a cancel did. */
export interface CancelAnswer {
  /** True for a job that had ended without results, and was started again to cancel its batches. */
  readonly restarted: boolean;
}

/** How to follow a job. */
export interface WatchOptions extends WaitOptions {
  /** Milliseconds between two polls, 50 or more; short intervals load the server and the worker. @default 1000 */
  intervalMs?: number;
  /** Called before each value is yielded, with the progress of a step that works through a file. */
  onStep?: (step: StepBytes | null) => void;
  /** Called with the job's status at each poll, also when no worker responds. */
  onStatus?: (status: JobStatus) => void;
}

/** How to read results as values. */
export interface TypedResultsOptions<S extends StandardSchemaV1> extends WaitOptions {
  /** The schema of an answer: of zod 4, valibot, arktype or any other library that implements Standard Schema. */
  schema: S;
}

/**
 * A handle of a job, started by this process or any other. It has no connection of its own: it may be dropped at any
 * time, and works until its `BatchClient` is closed. Get one from `client.start()` or `client.job(id)`.
 */
export class JobHandle {
  /** The job's id: its workflow id at the server, and its folder's name in the store. */
  readonly id: string;
  // Private to the runtime, too: printing a handle must not print the connection, which holds the API key.
  readonly #calls: TemporalCalls;
  readonly #store: Store;
  readonly #restart: (spec: JobSpec) => Promise<void>;
  readonly #records: JobRecords;
  readonly #status: JobStatusReader;
  readonly #results: JobResults;

  /** @internal */
  constructor(id: string, calls: TemporalCalls, store: Store, restart: (spec: JobSpec) => Promise<void>) {
    this.id = id;
    this.#calls = calls;
    this.#store = store;
    this.#restart = restart;
    this.#records = new JobRecords(id, calls, store);
    this.#status = new JobStatusReader(calls, this.#records);
    this.#results = new JobResults(calls, store, this.#records);
  }

  /**
   * True when the server or the store knows the job.
   * @throws BatchError `temporal_unavailable`, `store_unavailable`, `client_closed`
   */
  async exists(): Promise<boolean> {
    return (await this.isFinished()) || (await this.#status.readServer(false)).status !== null;
  }

  /**
   * Returns the job's status within seconds, also when no worker is running.
   * @throws BatchError `job_not_found`, `temporal_unavailable`, `store_unavailable`, `client_closed`
   */
  async status(): Promise<JobStatus> {
    return await this.#status.read(false);
  }

  /**
   * True when the results are in the store. Calls neither the server nor a worker.
   * @throws BatchError `store_unavailable`, `client_closed`
   */
  async isFinished(): Promise<boolean> {
    this.#calls.assertOpen();
    return await this.#records.isFinished();
  }

  /**
   * Yields the job's progress until the job has ended; `report()` returns how. It polls only after the previous value was
   * consumed, so that values do not queue up for a slow loop. Loops over the same handle share their polls. A job whose history has not
   * changed is not queried again for half a minute. A poll yields nothing while no worker responds, and is repeated
   * while the server is unavailable, for up to a minute.
   * @throws BatchError `job_not_found`, `temporal_unavailable`, `store_unavailable`, `bad_option`, `client_closed`; the signal's reason
   */
  async *watch(options: WatchOptions = {}): AsyncGenerator<JobProgress, void, undefined> {
    const { signal, intervalMs = 1_000 } = options;
    if (!(intervalMs >= 50 && intervalMs <= 86_400_000)) {
      throw new BatchError(
        ErrorCode.BadOption,
        `Option intervalMs must be a number of milliseconds from 50 to 86400000, got ${intervalMs}.`,
        { details: { option: 'intervalMs' } },
      );
    }
    for (;;) {
      // Timers may fire a little early: this loop's own last status must never count as a new one.
      const read = await abortable(this.#status.readShared(intervalMs - 20), signal);
      const { status, progress, report, step } = read;
      options.onStatus?.(read);
      options.onStep?.(step);
      if (progress !== null) yield progress;
      if (report !== null || status !== 'RUNNING') return;
      await sleep(intervalMs, signal);
    }
  }

  /**
   * Waits for the end of the job and returns its report.
   * @throws BatchError `job_failed` or another error by which a job ends: `bad_input`, `api_refused`, `api_unreachable`, `store_unavailable`;
   * `job_not_found`; `temporal_unavailable` when the server is unavailable for a minute; `client_closed`; the signal's reason
   */
  async report(options: WaitOptions = {}): Promise<JobReport> {
    return await this.#results.report(options);
  }

  /**
   * Waits for the end of the job and reads its rows one by one, in the input's order, each answer parsed by the schema as in
   * `toTypedRow`. One row is in memory at a time, and none is read before it is requested.
   * @throws as `results()` without a schema
   */
  results<S extends StandardSchemaV1>(
    options: TypedResultsOptions<S>,
  ): AsyncGenerator<TypedRow<StandardSchemaV1.InferOutput<S>>, void, undefined>;
  /**
   * Waits for the end of the job and reads its rows one by one, in the input's order. One row is in memory at a time, and
   * none is read before it is requested; leaving the loop closes the file. A job that failed or was terminated yields the
   * rows of its settled shards, and then throws `partial_results`.
   * @throws BatchError `partial_results` after the last row of a job without results, with `rows` and `lines` in its details and
   * the error with which the job ended as its cause; the errors of `report()` if there is no row; `store_unavailable` when the results are not
   * in this client's store
   */
  results(options?: WaitOptions): AsyncGenerator<ResultRow, void, undefined>;
  async *results(
    options: WaitOptions & { schema?: StandardSchemaV1 } = {},
  ): AsyncGenerator<ResultRow, void, undefined> {
    const { schema } = options;
    if (schema !== undefined) assertSchema(schema);
    for await (const text of this.rowTexts(options)) {
      const row = parseRow(text, this.id);
      yield schema === undefined ? row : await toTypedRow(row, schema);
    }
  }

  /**
   * The unparsed rows of the store, for callers that only copy them.
   * @internal
   */
  rowTexts(options: WaitOptions = {}): AsyncGenerator<RowText, void, undefined> {
    return this.#results.rowTexts(options);
  }

  /**
   * Waits for the end of the job and yields the requests of lines that ended without an answer, one JSON line each, as they were
   * sent and with the user's ids: together they are a valid input. The order is by batch, and the input's order within each. Returns
   * the number of lines without one, since they were not requests (`skipBadLines`).
   * @throws BatchError as `report()`; `store_unavailable` when the job's files are not in this client's store
   */
  failedRequests(options: WaitOptions = {}): AsyncGenerator<string, number, undefined> {
    return this.#results.failedRequests(options);
  }

  /**
   * The lines without an answer in the form of the input.
   * @internal
   */
  failedInput(options: WaitOptions = {}): AsyncGenerator<string, number, undefined> {
    return this.#results.failedInput(options);
  }

  /**
   * The first rows as a table for people; null if the job has none.
   * @internal
   */
  async preview(limit: number): Promise<TablePreview | null> {
    return await this.#results.preview(limit);
  }

  /**
   * Waits for the end and writes the results, by the ending of the path: `.jsonl`, `.csv` and `.parquet` are a table of the columns of the
   * input (`keep`), the answers, `status`, `error`, `input_tokens` and `output_tokens`; `.npy` is the vectors of embeddings as a matrix
   * of 32-bit floats; any other path is a folder, which is created if necessary, with `results.jsonl`, `report.json` and, if
   * it exists, `report.html`. A file appears only when it is complete; saving again changes nothing. The rows of a job that failed or was
   * terminated are written as `results.partial.jsonl`, or as a table with `.partial` in its name, which is removed when the results are
   * written.
   * @throws BatchError `bad_output` when the path cannot be written or contains another job's results; `bad_option` when `keep` names no
   * column, or two columns would have one name; `partial_results` as `results()`, with the file in its details; the errors of `report()`
   */
  async save(path: string, options: SaveOptions = {}): Promise<JobReport> {
    return await this.#results.save(path, options);
  }

  /**
   * Waits for the end and writes the input of lines without an answer to a file, so that they can be run again: rows with their own
   * columns and types (`.jsonl`, `.csv`, `.parquet`), or ready requests as of `failedRequests` (`.jsonl`). Returns the number of lines
   * that are left out: those of an input of ready requests that were not requests (`skipBadLines`).
   * @throws BatchError `bad_output` as `save`; `bad_option` for another ending; the errors of `report()`
   */
  async saveFailed(path: string, options: WaitOptions = {}): Promise<number> {
    return await this.#results.saveFailed(path, options);
  }

  /**
   * Cancels the job: batches in flight are cancelled at the API and awaited, their answers kept, and the other lines
   * end `cancelled`. Returns when the job has received it; `report()` waits for the end.
   *
   * A job that failed, was terminated or timed out may have batches at the API. It is started again as a cancelled job: a
   * worker cancels its batches, keeps their answers, and writes the results. `restarted` is true then.
   * @throws BatchError `job_not_found`; `job_conflict` when the job has results, or has ended before anything was sent;
   * `temporal_unavailable`, `store_unavailable`, `client_closed`
   */
  async cancel(): Promise<CancelAnswer> {
    const cancel = (handle: WorkflowHandle): Promise<void> => handle.signal(cancelSignal);
    if (await this.#signalled(cancel)) {
      // Recorded here too, in case no worker is running; workers can write a store that this process cannot.
      if ((await this.#records.spec().catch(() => null)) !== null)
        await this.#records.recordCancel().catch(() => undefined);
      return { restarted: false };
    }
    const spec = await this.#specOfUnfinished();
    if (spec === null) throw await this.#ended();
    // Recorded before the start: a worker may read the plan, and send a shard, before it receives a signal.
    await this.#records.recordCancel();
    await this.#restart(spec);
    await this.#signalled(cancel); // in case another process has started it since
    return { restarted: true };
  }

  /**
   * Starts another pass over the lines of a finished job that ended without an answer, cancelled ones included, each with all
   * its attempts. Earlier answers are kept, and new ones replace the failures in the results. Lines that ended
   * `answer_unavailable` were paid: only `rebuy` sends them again. Returns false when there is no such line.
   * @throws BatchError `job_not_found`; `job_conflict` while the job has no results; `temporal_unavailable`, `store_unavailable`,
   * `client_closed`
   */
  async retryFailed(): Promise<boolean> {
    this.#calls.assertOpen();
    const report = await this.#records.report();
    const spec = await this.#records.spec();
    if (spec === null) throw await this.#ended();
    if (report !== null) {
      if (!mayRetry(report)) return false;
      await withStoreErrors(() => requestPass(this.#store, this.id, report), this.id);
    } else if ((await this.#status.readServer(false)).status !== 'COMPLETED') {
      throw new BatchError(
        ErrorCode.JobConflict,
        `Job ${this.id} has no results yet, and its lines may still be answered: the same command without --retry-failed continues it.`,
        { details: { jobId: this.id } },
      );
    }
    // Without a report, and ended: the process that requested the pass died before it started the job.
    await this.#restart(spec);
    return true;
  }

  /**
   * Pauses the job: it sends nothing new until `resume()`; batches in flight continue and are fetched. The reason is shown
   * with the job's status, and kept in its history.
   * @throws BatchError `job_not_found`; `job_conflict` when the job has ended; `temporal_unavailable`, `client_closed`
   */
  async pause(reason: string = 'on request'): Promise<void> {
    if (!(await this.#signalled((handle) => handle.signal(pauseSignal, reason)))) throw await this.#ended();
  }

  /**
   * Resumes a paused job, also if another process paused it; a job that waits for a refused account calls the API again at once.
   * @throws BatchError as `pause()`
   */
  async resume(): Promise<void> {
    if (!(await this.#signalled((handle) => handle.signal(resumeSignal)))) throw await this.#ended();
  }

  /**
   * Changes the job's place among those that share the account's enqueued tokens; no effect on a job without `priority` and
   * `tokenLimits`.
   * @throws BatchError `bad_option` for another priority; as `pause()`
   */
  async setPriority(priority: Priority): Promise<void> {
    assertPriority(priority);
    if (!(await this.#signalled((handle) => handle.signal(prioritySignal, priority))))
      throw await this.#ended();
  }

  #handle(): WorkflowHandle {
    return this.#calls.client.workflow.getHandle(this.id);
  }

  /** Sends a signal; false when no such workflow runs. */
  async #signalled(send: (handle: WorkflowHandle) => Promise<void>): Promise<boolean> {
    return await this.#calls.run(
      async () => {
        try {
          await send(this.#handle());
          return true;
        } catch (error) {
          if (error instanceof WorkflowNotFoundError) return false;
          throw error;
        }
      },
      { jobId: this.id },
    );
  }

  /** The spec of a job that ended without results and may have batches at the API; null for other jobs. */
  async #specOfUnfinished(): Promise<JobSpec | null> {
    const { status } = await this.#status.readServer(false);
    // A server that does not know the job may be the wrong one: the job may be running at another one.
    if (status === null || status === 'COMPLETED' || (await this.#records.report()) !== null) return null;
    return await this.#records.spec();
  }

  /**
   * The first few shards that the API refused, with its messages.
   * @internal
   */
  async refusals(): Promise<Refusal[]> {
    return await withStoreErrors(() => readRefusals(this.#store, this.id), this.id);
  }

  /**
   * The report, with the ids of its first failed lines if the results are in this client's store.
   * @internal
   */
  async named(report: JobReport): Promise<NamedReport> {
    return await nameFailures(this.#store, report);
  }

  /** The error of a call that came after the job's end. */
  async #ended(): Promise<BatchError> {
    const { status } = await this.#status.readServer(false);
    const isFinished = await this.isFinished();
    if (!isFinished && status === null) return jobNotFound(this.id);
    return new BatchError(
      ErrorCode.JobConflict,
      isFinished || status === 'COMPLETED'
        ? `Job ${this.id} has ended: it cannot be changed any more.`
        : `Job ${this.id} has ended without results (${String(status).toLowerCase()}): start it again with the same command.`,
      { details: { jobId: this.id } },
    );
  }
}

function assertSchema(schema: StandardSchemaV1): void {
  const { '~standard': standard } = schema as { '~standard'?: { validate?: unknown } };
  if (typeof standard?.validate === 'function') return;
  throw new BatchError(
    ErrorCode.BadOption,
    'Option schema must be a Standard Schema, such as one of zod 3.24 or later, valibot 1 or arktype 2.',
    { details: { option: 'schema' } },
  );
}
