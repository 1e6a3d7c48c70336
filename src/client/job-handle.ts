import type { StandardSchemaV1 } from '@standard-schema/spec';
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/common';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { parseListed, PROGRESS_MEMO, shownState, type ListedProgress } from '../core/job-listing.ts';
import type { JobSpec } from '../core/job-spec.ts';
import { endStateOf, mayRetry, type JobProgress, type JobReport } from '../core/progress.ts';
import { jobFiles } from '../store/job-files.ts';
import { askForPass, currentPass, keepCancel } from '../store/job-pass.ts';
import { readRecord, type Store } from '../store/store.ts';
import { storeIdentity, type StoreIdentity } from '../store/store-identity.ts';
import { cancelSignal, pauseSignal, progressQuery, resumeSignal } from '../workflows/messages.ts';
import { abortable, sleep } from './abortable.ts';
import { failedRequests } from './failed-requests.ts';
import { listedLabels } from './job-labels.ts';
import { checkOutputFolder, copyResults, writePartialResults } from '../store/output-folder.ts';
import { retriesOf, stepBytesOf, withBeat, type StepBytes, type StepRetry } from './pending-steps.ts';
import { parseRow, readRowTexts, type ResultRow, type RowText } from './result-rows.ts';
import { SharedLook } from './shared-look.ts';
import { readingStore, resultsMissing } from './store-failure.ts';
import { readRefusals, type Refusal } from './refusals.ts';
import { findStoredRows, mergedRowTexts, partialResults, type StoredRows } from './stored-rows.ts';
import type { TemporalCalls } from './temporal-calls.ts';
import { jobNotFound, toBatchError } from './temporal-failure.ts';
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
  /** Steps that have failed, or wait, and are tried again. */
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

/** How a cancel was asked for. */
export interface CancelAnswer {
  /** True for a job that had ended without results, and was started again to cancel its batches. */
  readonly restarted: boolean;
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
  /** Told how the job stands at each look, those at which no worker answers included. */
  onStatus?: (status: JobStatus) => void;
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
  /** What the workflow has said, with what the steps that run say meanwhile. */
  readonly updated: (progress: JobProgress) => JobProgress;
}

/** How a job has ended. */
type JobEnd = { readonly report: JobReport } | { readonly failure: BatchError };

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
  readonly #restart: (spec: JobSpec) => Promise<void>;
  readonly #look: SharedLook<JobStatus>;
  #told: { readonly version: string; readonly progress: JobProgress; readonly at: number } | null = null;

  /** @internal */
  constructor(id: string, calls: TemporalCalls, store: Store, restart: (spec: JobSpec) => Promise<void>) {
    this.id = id;
    this.#calls = calls;
    this.#store = store;
    this.#restart = restart;
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
      const look = await abortable(this.#look.seen(intervalMs - 20), signal);
      const { status, progress, report, step } = look;
      options.onStatus?.(look);
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
    const end = await this.#end(options);
    if ('failure' in end) throw end.failure;
    return end.report;
  }

  /**
   * Waits for the end of the job and reads its rows one by one, in the input's order, with each answer as the schema makes
   * it; see `toTypedRow` for what an answer is. One row is in memory at a time, and none is read before it is asked for.
   * @throws as `results()` without a schema
   */
  results<S extends StandardSchemaV1>(
    options: TypedResultsOptions<S>,
  ): AsyncGenerator<TypedRow<StandardSchemaV1.InferOutput<S>>, void, undefined>;
  /**
   * Waits for the end of the job and reads its rows one by one, in the input's order. One row is in memory at a time, and
   * none is read before it is asked for; leaving the loop closes the file. Of a job that failed or was terminated, the
   * rows that it has are given, those of settled shards; then `partial_results` is thrown.
   * @throws BatchError `partial_results` behind the last row of a job without results, with `rows` and `lines` in its details and
   * why it ended as its cause; what `report()` throws where there is no row; `store_unavailable` when the results are not
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
   * The rows as they stand in the store, for whoever only copies them.
   * @internal
   */
  async *rowTexts(options: WaitOptions = {}): AsyncGenerator<RowText, void, undefined> {
    const { signal } = options;
    const end = await this.#end(options);
    signal?.throwIfAborted();
    const failure = 'failure' in end ? end.failure : null;
    const part = failure === null ? null : await this.#storedRows(failure);
    if (part === null) await this.#assertResults();
    const rows =
      part === null ? readRowTexts(await this.#resultsPath(), this.id) : mergedRowTexts(part.files, this.id);
    for await (const row of rows) {
      yield row;
      signal?.throwIfAborted();
    }
    if (failure !== null && part !== null) throw partialResults(failure, part, this.id, null);
  }

  /**
   * Waits for the end of the job and gives the requests of lines that ended without an answer, one JSON line each, as they were
   * sent and under their own ids: together a valid input. They come batch by batch, in the input's order within each. Returns
   * how many lines have none, since they were no requests (`skipBadLines`).
   * @throws what `report()` throws; `store_unavailable` when the job's files are not in this client's store
   */
  async *failedRequests(options: WaitOptions = {}): AsyncGenerator<string, number, undefined> {
    await this.report(options);
    const rows = readRowTexts(await this.#resultsPath(), this.id);
    const requests = failedRequests(this.#store, this.id, rows);
    for (;;) {
      const { value, done } = await readingStore(() => requests.next(), this.id);
      if (done === true) return value;
      yield value;
      options.signal?.throwIfAborted();
    }
  }

  /**
   * Waits for the end and puts `results.jsonl`, `report.json` and, where it was made, `report.html` into a folder, which is made if need be. A file appears
   * there only when whole; saving again changes nothing. Of a job that failed or was terminated, the rows that it has are
   * put there as `results.partial.jsonl`, which goes when the results come.
   * @throws BatchError `bad_output` when the folder cannot be written or holds another job's results; `partial_results` as
   * `results()`, with the file in its details; what `report()` throws
   */
  async save(folder: string, options: WaitOptions = {}): Promise<JobReport> {
    await checkOutputFolder(folder, this.id);
    const end = await this.#end(options);
    if ('failure' in end) {
      const part = await this.#storedRows(end.failure);
      const file = await writePartialResults(textsOf(mergedRowTexts(part.files, this.id)), folder, this.id);
      throw partialResults(end.failure, part, this.id, file);
    }
    const { report } = end;
    await this.#assertResults();
    const files = await readingStore(
      async () => ({
        results: await this.#resultsPath(),
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
   *
   * A job that failed, was terminated or timed out may have batches at the API. It is started again as a cancelled job: a
   * worker cancels its batches, keeps their answers, and writes the results. `restarted` is true then.
   * @throws BatchError `job_not_found`; `job_conflict` when the job has results, or has ended before anything was sent;
   * `temporal_unavailable`, `store_unavailable`, `client_closed`
   */
  async cancel(): Promise<CancelAnswer> {
    const cancel = (handle: WorkflowHandle): Promise<void> => handle.signal(cancelSignal);
    if (await this.#signalled(cancel)) {
      // Also where no worker is there to keep it; a store that cannot be written here is one that workers can write.
      if ((await this.#spec().catch(() => null)) !== null) await this.#keepCancel().catch(() => undefined);
      return { restarted: false };
    }
    const spec = await this.#specOfUnfinished();
    if (spec === null) throw await this.#ended();
    // On record before the start: a worker may read the plan, and send a shard, before a signal comes to it.
    await readingStore(() => this.#keepCancel(), this.id);
    await this.#restart(spec);
    await this.#signalled(cancel); // for the case that somebody else has started it since
    return { restarted: true };
  }

  /**
   * Begins another pass over the lines of a finished job that ended without an answer, cancelled ones included, each with all
   * its attempts; answers that are there stay, and new ones take the place of the failures in the results. Lines that ended
   * `answer_unavailable` were paid: only `rebuy` asks for them again. False when no line is left for it, so that nothing begins.
   * @throws BatchError `job_not_found`; `job_conflict` while the job has no results; `temporal_unavailable`, `store_unavailable`,
   * `client_closed`
   */
  async retryFailed(): Promise<boolean> {
    this.#calls.assertOpen();
    const report = await this.#keptReport();
    const spec = await readingStore(() => this.#spec(), this.id);
    if (spec === null) throw await this.#ended();
    if (report !== null) {
      if (!mayRetry(report)) return false;
      await readingStore(() => askForPass(this.#store, this.id, report), this.id);
    } else if ((await this.#serverStatus(false)).status !== 'COMPLETED') {
      throw new BatchError(
        ErrorCode.JobConflict,
        `Job ${this.id} has no results yet, and lines of it may still be answered: the same command without --retry-failed goes on with it.`,
        { details: { jobId: this.id } },
      );
    }
    // Without a report, and ended: the process that asked for the pass died before it could start the job.
    await this.#restart(spec);
    return true;
  }

  /**
   * Asks the job to start nothing new until `resume()`; batches in flight go on and are fetched. The reason is shown to
   * whoever looks, and kept in the job's history.
   * @throws BatchError `job_not_found`; `job_conflict` when the job has ended; `temporal_unavailable`, `client_closed`
   */
  async pause(reason: string = 'on request'): Promise<void> {
    if (!(await this.#signalled((handle) => handle.signal(pauseSignal, reason)))) throw await this.#ended();
  }

  /**
   * Goes on after a pause, whoever asked for it; a job that waits for a refused account asks the API again at once.
   * @throws BatchError as `pause()`
   */
  async resume(): Promise<void> {
    if (!(await this.#signalled((handle) => handle.signal(resumeSignal)))) throw await this.#ended();
  }

  #handle(): WorkflowHandle {
    return this.#calls.client.workflow.getHandle(this.id);
  }

  /** Waits for the end of the job: its report, or what it ended by without one. */
  async #end({ signal }: WaitOptions): Promise<JobEnd> {
    this.#calls.assertOpen();
    const kept = await this.#keptReport();
    if (kept !== null) return { report: kept };
    const result = async (): Promise<JobEnd> => {
      try {
        return { report: (await this.#handle().result()) as JobReport };
      } catch (error) {
        const isEnd = error instanceof WorkflowFailedError || error instanceof WorkflowNotFoundError;
        if (!isEnd) throw error;
        const { target } = this.#calls;
        return { failure: toBatchError(error, { jobId: this.id, target }) as BatchError };
      }
    };
    return await this.#calls.run(result, { jobId: this.id, signal, patient: true, isLong: true });
  }

  /**
   * The rows of a job that ended without results.
   * @throws the failure, where there is no row
   */
  async #storedRows(failure: BatchError): Promise<StoredRows> {
    const stored = await readingStore(() => findStoredRows(this.#store, this.id), this.id);
    if (stored === null || stored.rows === 0) throw failure;
    return stored;
  }

  /** @throws BatchError `store_unavailable`, which names the place where the results of a finished job should be */
  async #assertResults(): Promise<void> {
    const [size, ours] = await readingStore(
      async () =>
        [await this.#store.size(jobFiles.results(this.id)), await storeIdentity(this.#store)] as const,
      this.id,
    );
    if (size === null) throw resultsMissing(this.id, ours, await this.#startedIn());
  }

  /** The store that the job was started with, by its workflow's input; null where nobody can tell. */
  async #startedIn(): Promise<StoreIdentity | null> {
    try {
      return await this.#calls.run(async ({ workflowService, options }) => {
        const { history } = await workflowService.getWorkflowExecutionHistory({
          namespace: options.namespace,
          execution: { workflowId: this.id },
          maximumPageSize: 1,
        });
        const { input } = history?.events?.[0]?.workflowExecutionStartedEventAttributes ?? {};
        const { decodeArrayFromPayloads } =
          await import('@temporalio/common/lib/internal-non-workflow/index.js');
        const [spec] = (await decodeArrayFromPayloads(options.loadedDataConverter, input?.payloads)) as [
          JobSpec?,
        ];
        return spec?.store ?? null;
      });
    } catch {
      return null; // the server has forgotten the job, or is away: what is missing is told all the same
    }
  }

  async #resultsPath(): Promise<string> {
    return await readingStore(() => this.#store.filePath(jobFiles.results(this.id)), this.id);
  }

  async #keptReport(): Promise<JobReport | null> {
    const key = jobFiles.report(this.id);
    return await readingStore(() => readRecord<JobReport>(this.#store, key), this.id);
  }

  async #status(watching: boolean): Promise<JobStatus> {
    this.#calls.assertOpen();
    const { status, version, updated, retries, step, ...entry } = await this.#serverStatus(watching);
    // Read last: a workflow writes it before it ends, and whoever reads it need not ask how that goes.
    const report = await this.#keptReport();
    if (status === null && report === null) throw jobNotFound(this.id);
    if (report !== null) {
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
    const told = isRunning ? await this.#progressAt(version, watching) : null;
    const progress = told === null ? null : updated(told);
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
    const { status } = await this.#serverStatus(false);
    // A server that does not know the job may be the wrong one: another may be working on it.
    if (status === null || status === 'COMPLETED' || (await this.#keptReport()) !== null) return null;
    return await readingStore(() => this.#spec(), this.id);
  }

  /** The spec of a job whose shards were built in this store; null for other jobs. */
  async #spec(): Promise<JobSpec | null> {
    const plan = await this.#store.size(jobFiles.round(this.id, 1));
    return plan === null ? null : await readRecord<JobSpec>(this.#store, jobFiles.spec(this.id));
  }

  async #keepCancel(): Promise<void> {
    await keepCancel(this.#store, this.id, await currentPass(this.#store, this.id));
  }

  /**
   * The first few shards that the API refused, with what it said.
   * @internal
   */
  async refusals(): Promise<Refusal[]> {
    return await readingStore(() => readRefusals(this.#store, this.id), this.id);
  }

  /** The error of a call that came too late. */
  async #ended(): Promise<BatchError> {
    const { status } = await this.#serverStatus(false);
    const isFinished = await this.isFinished();
    if (!isFinished && status === null) return jobNotFound(this.id);
    return new BatchError(
      ErrorCode.JobConflict,
      isFinished || status === 'COMPLETED'
        ? `Job ${this.id} has ended: there is nothing to change any more.`
        : `Job ${this.id} has ended without results (${String(status).toLowerCase()}): the same command as before goes on with it.`,
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
            updated: (progress) => withBeat(progress, raw),
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

async function* textsOf(rows: AsyncIterable<RowText>): AsyncGenerator<string, void, undefined> {
  for await (const { text } of rows) yield text;
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
