import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { WorkflowHandle } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/common';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { parseListed, PROGRESS_MEMO, shownState, type ListedProgress } from '../core/job-listing.ts';
import { endStateOf, type JobProgress, type JobReport } from '../core/progress.ts';
import { jobFiles } from '../store/job-files.ts';
import { readRecord, type Store } from '../store/store.ts';
import { cancelSignal, pauseSignal, progressQuery, resumeSignal } from '../workflows/messages.ts';
import { abortable, sleep } from './abortable.ts';
import { listedLabels } from './job-labels.ts';
import { checkOutputFolder, copyResults } from '../store/output-folder.ts';
import { retriesOf, stepBytesOf, type StepBytes, type StepRetry } from './pending-steps.ts';
import { readRows, type ResultRow } from './result-rows.ts';
import { SharedLook } from './shared-look.ts';
import { readingStore } from './store-failure.ts';
import type { TemporalCalls } from './temporal-calls.ts';
import { jobNotFound } from './temporal-failure.ts';
import { toTypedRow, type TypedRow } from './typed-row.ts';

/** How a job stands at the server, told without a worker. */
export interface JobStatus {
  /** The job's id. */
  readonly jobId: string;
  /** Temporal's word: RUNNING, COMPLETED, FAILED, … */
  readonly status: string;
  /** What the job is doing or how it has ended, as `JobSummary.state`. */
  readonly state: string;
  /** Null when no worker answers, or the job has ended without results. */
  readonly progress: JobProgress | null;
  /** Why a job ended without results; null for others. */
  readonly failure: string | null;
  /** Steps that have failed and are tried again. */
  readonly retries: readonly StepRetry[];
  /** The step that works through a file; null where none does, or none has told how far it is. */
  readonly step: StepBytes | null;
  /** The job's end in numbers; null until it has results. */
  readonly report: JobReport | null;
  /** Where it stood when the server was last told: known also when no worker answers; null for jobs of version 0.1. */
  readonly listed: ListedProgress | null;
  /** Who pays, as the user calls it; null where nothing was said or the server lacks our search attributes. */
  readonly account: string | null;
  /** The schedule that started it; null for others, and where the server lacks our search attributes. */
  readonly schedule: string | null;
}

/** What every method that waits may be given. */
export interface WaitOptions {
  /** Ends the waiting, not the job: the call rejects with the signal's reason, an `AbortError` unless another is given. */
  signal?: AbortSignal;
}

/** How to follow a job. */
export interface WatchOptions extends WaitOptions {
  /** Milliseconds between two looks, 50 or more. Less costs the server and the worker more. @default 1000 */
  intervalMs?: number;
  /** Told, before each look is given, how far a step is that works through a file. */
  onStep?: (step: StepBytes | null) => void;
}

/** How to read results as values. */
export interface TypedResultsOptions<S extends StandardSchemaV1> extends WaitOptions {
  /** What an answer must be: a schema of zod 4, valibot, arktype or any other library that speaks Standard Schema. */
  schema: S;
}

interface ServerStatus extends Pick<JobStatus, 'retries' | 'step' | 'listed' | 'account' | 'schedule'> {
  /** Null when the server knows no such workflow. */
  readonly status: string | null;
  /** Changes with everything that happens to the workflow. */
  readonly version: string;
}

/** A query waits this long for a worker. */
const QUERY_MS = 4_000;

/** A job whose history stands still is queried all the same after this long: nothing else tells that no worker answers. */
const TELL_AGAIN_MS = 30_000;

/**
 * A job that was started, by this process or any other. A handle holds no connection of its own: it may be dropped at any
 * time, and works until its `BatchClient` is closed. Get one from `client.start()` or `client.job(id)`.
 */
export class JobHandle {
  /** The job's id: its workflow id at the server, and its folder's name in the store. */
  readonly id: string;
  // Private to the runtime, too: whoever prints a handle must not print the connection, which holds the API key.
  readonly #calls: TemporalCalls;
  readonly #store: Store;
  readonly #look: SharedLook<JobStatus>;
  #told: { readonly version: string; readonly progress: JobProgress; readonly at: number } | null = null;

  /** @internal */
  constructor(id: string, calls: TemporalCalls, store: Store) {
    this.id = id;
    this.#calls = calls;
    this.#store = store;
    this.#look = new SharedLook(() => this.#status(true));
  }

  /**
   * True when the server or the store knows the job.
   * @throws BatchError `temporal_unavailable`, `store_unavailable`, `client_closed`
   */
  async exists(): Promise<boolean> {
    return (await this.isFinished()) || (await this.#serverStatus(false)).status !== null;
  }

  /**
   * Where the job stands; answers within seconds, also when no worker runs.
   * @throws BatchError `job_not_found`, `temporal_unavailable`, `store_unavailable`, `client_closed`
   */
  async status(): Promise<JobStatus> {
    return await this.#status(false);
  }

  /**
   * True when the results are in the store; asks neither the server nor a worker.
   * @throws BatchError `store_unavailable`, `client_closed`
   */
  async isFinished(): Promise<boolean> {
    this.#calls.assertOpen();
    const key = jobFiles.report(this.id);
    return (await readingStore(() => this.#store.size(key), this.id)) !== null;
  }

  /**
   * Progress, look by look, until the job has ended, whichever way: `report()` says which. A look is taken only when the
   * last one was taken up, so that a slow loop is not overrun; loops over the same handle share their looks. A job
   * to which nothing has happened since a look is not queried again for half a minute. Looks at which no worker answers yield
   * nothing, and a server that is away for less than a minute is asked again.
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
      // Timers may be a little early: a look of this loop's own must never be taken for a fresh one.
      const { status, progress, report, step } = await abortable(this.#look.seen(intervalMs - 20), signal);
      options.onStep?.(step);
      if (progress !== null) yield progress;
      if (report !== null || status !== 'RUNNING') return;
      await sleep(intervalMs, signal);
    }
  }

  /**
   * Waits for the end of the job and tells it in numbers.
   * @throws BatchError `job_failed` and what jobs end by: `bad_input`, `api_refused`, `api_unreachable`, `store_unavailable`;
   * `job_not_found`; `temporal_unavailable` when the server stays away for a minute; `client_closed`; the signal's reason
   */
  async report(options: WaitOptions = {}): Promise<JobReport> {
    this.#calls.assertOpen();
    const kept = await this.#keptReport();
    if (kept !== null) return kept;
    const { signal } = options;
    return await this.#calls.run(async () => (await this.#handle().result()) as JobReport, {
      jobId: this.id,
      signal,
      patient: true,
    });
  }

  /**
   * Waits for the end of the job and reads its rows one by one, in the input's order, with each answer as the schema makes
   * it; see `toTypedRow` for what an answer is. One row is in memory at a time, and none is read before it is asked for.
   * @throws what `report()` throws; BatchError `store_unavailable` when the results are not in this client's store
   */
  results<S extends StandardSchemaV1>(
    options: TypedResultsOptions<S>,
  ): AsyncGenerator<TypedRow<StandardSchemaV1.InferOutput<S>>, void, undefined>;
  /**
   * Waits for the end of the job and reads its rows one by one, in the input's order. One row is in memory at a time, and
   * none is read before it is asked for; leaving the loop closes the file.
   * @throws what `report()` throws; BatchError `store_unavailable` when the results are not in this client's store
   */
  results(options?: WaitOptions): AsyncGenerator<ResultRow, void, undefined>;
  async *results(
    options: WaitOptions & { schema?: StandardSchemaV1 } = {},
  ): AsyncGenerator<ResultRow, void, undefined> {
    const { signal, schema } = options;
    if (schema !== undefined) assertSchema(schema);
    await this.report(options);
    signal?.throwIfAborted();
    const path = await readingStore(() => this.#store.filePath(jobFiles.results(this.id)), this.id);
    for await (const row of readRows(path, this.id)) {
      yield schema === undefined ? row : await toTypedRow(row, schema);
      signal?.throwIfAborted();
    }
  }

  /**
   * Waits for the end and puts `results.jsonl`, `report.json` and, where it was made, `report.html` into a folder, which is made if need be. A file appears
   * there only when whole; saving again changes nothing.
   * @throws BatchError `bad_output` when the folder cannot be written or holds another job's results; what `report()` throws
   */
  async save(folder: string, options: WaitOptions = {}): Promise<JobReport> {
    await checkOutputFolder(folder, this.id);
    const report = await this.report(options);
    const files = await readingStore(
      async () => ({
        results: await this.#store.filePath(jobFiles.results(this.id)),
        page: await this.#store.filePath(jobFiles.page(this.id)),
        report: await this.#store.filePath(jobFiles.report(this.id)),
      }),
      this.id,
    );
    await copyResults(files, folder, this.id);
    return report;
  }

  /**
   * Asks the job to end: batches in flight are cancelled at the API and awaited, their answers kept, and the other lines
   * end `cancelled`. Answers when the job knows it; `report()` waits for the end.
   * @throws BatchError `job_not_found`; `job_conflict` when the job has ended; `temporal_unavailable`; `client_closed`
   */
  async cancel(): Promise<void> {
    await this.#signal((handle) => handle.signal(cancelSignal));
  }

  /**
   * Asks the job to start nothing new until `resume()`; batches in flight go on and are fetched. The reason is shown to
   * whoever looks, and kept in the job's history.
   * @throws BatchError as `cancel()`
   */
  async pause(reason: string = 'asked for'): Promise<void> {
    await this.#signal((handle) => handle.signal(pauseSignal, reason));
  }

  /**
   * Goes on after a pause, whoever asked for it; a job that waits for a refused account asks the API again at once.
   * @throws BatchError as `cancel()`
   */
  async resume(): Promise<void> {
    await this.#signal((handle) => handle.signal(resumeSignal));
  }

  #handle(): WorkflowHandle {
    return this.#calls.client.workflow.getHandle(this.id);
  }

  async #keptReport(): Promise<JobReport | null> {
    const key = jobFiles.report(this.id);
    return await readingStore(() => readRecord<JobReport>(this.#store, key), this.id);
  }

  async #status(watching: boolean): Promise<JobStatus> {
    this.#calls.assertOpen();
    const report = await this.#keptReport();
    const { status, version, retries, step, ...entry } = await this.#serverStatus(watching);
    if (status === null && report === null) throw jobNotFound(this.id);
    if (report !== null && status !== 'RUNNING') {
      const progress = doneProgress(report);
      return {
        jobId: this.id,
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
    const progress = isRunning ? await this.#progressAt(version, watching) : null;
    const failure = isRunning || status === null ? null : await this.#failure();
    return {
      jobId: this.id,
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

  async #signal(send: (handle: WorkflowHandle) => Promise<void>): Promise<void> {
    const isKnown = await this.#calls.run(
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
    if (isKnown) return;
    if (!(await this.exists())) throw jobNotFound(this.id);
    throw new BatchError(
      ErrorCode.JobConflict,
      `Job ${this.id} has ended: there is nothing to change any more.`,
      { details: { jobId: this.id } },
    );
  }

  async #serverStatus(patient: boolean): Promise<ServerStatus> {
    return await this.#calls.run(
      async (): Promise<ServerStatus> => {
        try {
          const { status, runId, historyLength, raw, memo, typedSearchAttributes } =
            await this.#handle().describe();
          const { account, schedule } = listedLabels(typedSearchAttributes);
          const listed = parseListed(memo?.[PROGRESS_MEMO]);
          return {
            status: status.name,
            version: `${runId} ${historyLength}`,
            retries: retriesOf(raw),
            step: stepBytesOf(raw),
            listed,
            account,
            schedule,
          };
        } catch (error) {
          if (error instanceof WorkflowNotFoundError)
            return {
              status: null,
              version: '',
              retries: [],
              step: null,
              listed: null,
              account: null,
              schedule: null,
            };
          throw error;
        }
      },
      { jobId: this.id, patient },
    );
  }

  /** What a watcher has been told of this very history is not asked again for a while: queries are billed by some servers. */
  async #progressAt(version: string, watching: boolean): Promise<JobProgress | null> {
    const told = this.#told;
    if (watching && told?.version === version && performance.now() - told.at < TELL_AGAIN_MS)
      return told.progress;
    const at = performance.now();
    const progress = await this.#queryProgress();
    this.#told = progress === null ? null : { version, progress, at };
    return progress;
  }

  async #queryProgress(): Promise<JobProgress | null> {
    const ask = (): Promise<JobProgress> => this.#handle().query(progressQuery);
    try {
      return await this.#calls.run((client) => client.withDeadline(Date.now() + QUERY_MS, ask));
    } catch {
      return null; // no worker answered in time: the status says RUNNING, and that is all that is known
    }
  }

  async #failure(): Promise<string | null> {
    const ended = (): Promise<unknown> => this.#handle().result();
    try {
      await this.#calls.run((client) => client.withDeadline(Date.now() + QUERY_MS, ended), {
        jobId: this.id,
      });
      return null;
    } catch (error) {
      const isAway = error instanceof BatchError && error.code === ErrorCode.TemporalUnavailable;
      return error instanceof Error && !isAway ? error.message : null; // the server did not say in time
    }
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

function doneProgress(report: JobReport): JobProgress {
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
    table: [],
  };
}
