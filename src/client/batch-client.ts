import { join } from 'node:path';
import {
  Client,
  type Connection,
  WorkflowExecutionAlreadyStartedError,
  type DataConverter,
  type WorkflowHandle,
} from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/common';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { staticDetailsOf, summaryOf } from '../core/job-description.ts';
import {
  firstListing,
  IDENTITY_MEMO,
  parseListed,
  PROGRESS_MEMO,
  shownState,
  type ListedProgress,
} from '../core/job-listing.ts';
import { assertJobId, type JobOptions, type JobSpec } from '../core/job-spec.ts';
import type { JobReport } from '../core/progress.ts';
import { readEnvironment } from '../environment.ts';
import { jobFiles } from '../store/job-files.ts';
import { currentPass } from '../store/job-pass.ts';
import { joinSameJob, rememberJob, type JoinedSpec } from '../job/same-job.ts';
import { openStore } from '../store/open-store.ts';
import { readRecord, type Store } from '../store/store.ts';
import { storeIdentity } from '../store/store-identity.ts';
import {
  connectClient,
  isSearchable,
  resolveTemporalTarget,
  ServerSight,
  type TemporalTarget,
} from '../temporal/index.ts';
import { BATCH_JOB, pollSignal, rebuySignal } from '../workflows/messages.ts';
import { toVisibilityQuery, type JobFilter } from './job-filter.ts';
import { JobHandle } from './job-handle.ts';
import { listedLabels, startAttributes } from './job-labels.ts';
import { Schedules } from './schedules/index.ts';
import { identityOf } from '../job/job-identity.ts';
import { prepareJob } from '../job/prepare-job.ts';
import { readingStore } from './store-failure.ts';
import { TemporalCalls } from './temporal-calls.ts';

/** Where the jobs of a client live. Every field is optional. */
export interface BatchClientOptions {
  /** Folder of the store and of the embedded server; workers must have the same one. @default `DURABLE_BATCH_HOME`, or `.durable-batch` */
  home?: string;
  /** Queue of the workers that shall run the jobs. @default `DURABLE_BATCH_TASK_QUEUE`, or `durable-batch` */
  taskQueue?: string;
}

/** Where a client finds Temporal and the store. Every field is optional. */
export interface ConnectOptions extends BatchClientOptions {
  /** @default what `TEMPORAL_*` and Temporal's config file say, or else the embedded server */
  target?: TemporalTarget;
  /** Converts what is kept at the server, e.g. to encrypt it; workers must have the same one. @default Temporal's own */
  dataConverter?: DataConverter;
  /** Told what is being started, in one line each. @default nobody */
  log?: (message: string) => void;
}

/** One line of `list()`. */
export interface JobSummary {
  /** The job's id. */
  readonly jobId: string;
  /** Temporal's word: RUNNING, COMPLETED, FAILED, … */
  readonly status: string;
  /**
   * What the job is doing or how it has ended: a `JobState`, or Temporal's word in small letters where the workflow failed,
   * was terminated or timed out, and for jobs of version 0.1.
   */
  readonly state: string;
  /** When the job, or its present run, was started. */
  readonly startedAt: Date;
  /** When it ended; null while it runs. */
  readonly closedAt: Date | null;
  /** Where it stood at its last change of state or some minutes ago; null for jobs of version 0.1. */
  readonly progress: ListedProgress | null;
  /** Who pays, as the user calls it; null where nothing was said or the server lacks our search attributes. */
  readonly account: string | null;
  /** The schedule that started it; null for others, and where the server lacks our search attributes. */
  readonly schedule: string | null;
  /** Models of its lines, once the shards are built; empty where the server lacks our search attributes. */
  readonly models: readonly string[];
}

/**
 * Starts jobs and finds them again. A client holds one connection and is made once per process; close it at the end, or
 * declare it with `await using`.
 */
export class BatchClient {
  /** Folder of the store and of the embedded server. */
  readonly home: string;
  // Private to the runtime, too: whoever prints a client must not print the connection, which holds the API key.
  readonly #calls: TemporalCalls;
  private readonly store: Store;
  private readonly taskQueue: string;

  private constructor(calls: TemporalCalls, options: BatchClientOptions) {
    const environment = readEnvironment();
    this.#calls = calls;
    this.home = options.home ?? environment.home;
    this.taskQueue = options.taskQueue ?? environment.taskQueue;
    this.store = openStore(join(this.home, 'store'));
  }

  /**
   * Connects to Temporal; without a configured address it starts the embedded server or joins the one that runs.
   * @throws BatchError `temporal_unavailable`, saying what is wrong with address, TLS or key
   */
  static async connect(options: ConnectOptions = {}): Promise<BatchClient> {
    const home = options.home ?? readEnvironment().home;
    const log = options.log === undefined ? {} : { log: options.log };
    const target = options.target ?? (await resolveTemporalTarget({ home, ...log }));
    const sight = new ServerSight();
    const connection = await connectClient(target, undefined, sight);
    const { dataConverter } = options;
    const client = new Client({
      connection,
      namespace: target.namespace,
      ...(dataConverter === undefined ? {} : { dataConverter }),
    });
    return new BatchClient(new TemporalCalls(client, target, true, sight), options);
  }

  /**
   * Works over the Temporal client of an application, with its connection, namespace, interceptors and data converter; in an
   * activity that is `Context.current().client`. `close()` leaves the connection open.
   */
  static fromClient(client: Client, options: BatchClientOptions = {}): BatchClient {
    const { options: connected } = client.connection as { options?: { address?: string } };
    const target: TemporalTarget = {
      kind: 'configured',
      connection: { address: connected?.address ?? 'the given connection' },
      namespace: client.options.namespace,
    };
    return new BatchClient(new TemporalCalls(client, target, false), options);
  }

  /** The server that is used and the namespace in it. Holds secrets (API key, TLS key): never log it. */
  get target(): TemporalTarget {
    return this.#calls.target;
  }

  private get client(): Client {
    return this.#calls.client;
  }

  /**
   * Starts a job, or re-joins the one that has the same input and options.
   * The input is read once here; the worker reads it once more when it builds the shards.
   * @throws BatchError `bad_input`, `bad_option`; `job_conflict` when the id belongs to another job; `temporal_unavailable`,
   * `store_unavailable`, `client_closed`
   */
  async start(options: JobOptions): Promise<JobHandle> {
    this.#calls.assertOpen();
    const spec = await prepareJob(options);
    return await this.startSpec(options.jobId === undefined ? (await this.joinSame(spec)).spec : spec);
  }

  /**
   * Starts a job that `prepareJob` has prepared, or re-joins it.
   * @throws BatchError as `start()`
   */
  async startSpec(spec: JobSpec): Promise<JobHandle> {
    return await this.#calls.run(() => readingStore(() => this.startOrJoin(spec), spec.jobId), {
      jobId: spec.jobId,
    });
  }

  /**
   * See `joinSameJob`.
   * @internal
   */
  async joinSame(spec: JobSpec): Promise<JoinedSpec> {
    return await readingStore(() => joinSameJob(this.store, spec), spec.jobId);
  }

  private async startOrJoin(spec: JobSpec): Promise<JobHandle> {
    const handle = this.job(spec.jobId);
    const identity = identityOf(spec);
    const kept = await readRecord<JobSpec>(this.store, jobFiles.spec(spec.jobId));
    if (kept !== null) assertSame(identityOf(kept), identity, spec.jobId);
    const report = await readRecord<JobReport>(this.store, jobFiles.report(spec.jobId));
    if (kept !== null) await rememberJob(this.store, spec);
    // A finished job is finished even when the server's history of it has been deleted.
    if (report !== null && !(spec.rebuy && hasLostAnswers(report))) return handle;
    if (spec.rebuy && kept !== null) await this.markRebuy(spec.jobId);
    // Also where the process that marked it died before it could start the job again.
    const isMarked = (await this.store.size(jobFiles.rebuy(spec.jobId))) !== null;
    const startsAgain = spec.rebuy || isMarked || (await currentPass(this.store, spec.jobId)) > 0;
    const { patience } = readEnvironment();
    const { account = null, schedule = null } = spec.labels ?? {};
    const searchable = await isSearchable(this.client.connection as Connection, this.target);
    const home = await storeIdentity(this.store);
    const labelled = { ...spec, store: home, labels: { account, schedule, searchable } };
    try {
      await this.client.workflow.start(BATCH_JOB, {
        workflowId: spec.jobId,
        taskQueue: this.taskQueue,
        args: patience === 1 ? [labelled] : [labelled, undefined, { patience }],
        // A finished job is started again for lines that have no answer: it finds everything else in the store.
        workflowIdReusePolicy: startsAgain ? 'ALLOW_DUPLICATE' : 'ALLOW_DUPLICATE_FAILED_ONLY',
        // What a job says of itself at its very beginning costs nothing here, and an event there.
        memo: { [IDENTITY_MEMO]: identity, [PROGRESS_MEMO]: firstListing },
        ...(searchable ? { typedSearchAttributes: startAttributes(labelled) } : {}),
        staticSummary: summaryOf(labelled),
        staticDetails: staticDetailsOf(labelled),
      });
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      const { memo } = await this.client.workflow.getHandle(spec.jobId).describe();
      const theirs = memo?.[IDENTITY_MEMO];
      // A child workflow started without our memo is known by what the store keeps of it, compared above.
      if (typeof theirs === 'string' || kept === null) {
        assertSame(typeof theirs === 'string' ? theirs : '', identity, spec.jobId);
      }
      const running = this.client.workflow.getHandle(spec.jobId);
      if (spec.rebuy) await running.signal(rebuySignal);
      // A poll may be left over from a worker that is gone: nobody who joins the job shall wait until that shows.
      await running.signal(pollSignal).catch((ended: unknown) => {
        if (!(ended instanceof WorkflowNotFoundError)) throw ended;
      });
    }
    await rememberJob(this.store, spec);
    return handle;
  }

  /** Keeps in the store that lost answers are bought again, whoever starts the job next, and that it has not finished. */
  private async markRebuy(jobId: string): Promise<void> {
    await this.store.claim(jobFiles.rebuy(jobId), JSON.stringify({ at: Date.now() }));
    await this.store.remove(jobFiles.report(jobId));
  }

  /**
   * The job with this id, whoever started it; nothing is asked of the server yet (see `JobHandle.exists`).
   * @throws BatchError `bad_option` when no job can have such an id
   */
  job(jobId: string): JobHandle {
    const restart = async (spec: JobSpec): Promise<void> => void (await this.startSpec(spec));
    return new JobHandle(assertJobId(jobId), this.#calls, this.store, restart);
  }

  /** Schedules of jobs, with the server, store and queue of this client. */
  get schedules(): Schedules {
    return new Schedules(this.#calls, this.store, this.taskQueue);
  }

  /**
   * The jobs that the server knows and the filter lets through, newest first, page by page as they are taken. A server
   * forgets closed jobs after its retention time; their results stay in the store.
   * @throws BatchError `bad_option` for a filter that is wrong or needs search attributes that the namespace lacks;
   * `temporal_unavailable`, `client_closed`
   */
  async *list(filter: JobFilter = {}): AsyncGenerator<JobSummary, void, undefined> {
    const query = toVisibilityQuery(filter);
    const jobs = this.client.workflow.list({ query })[Symbol.asyncIterator]();
    for (let left = filter.limit ?? Number.POSITIVE_INFINITY; left > 0; left -= 1) {
      const { done, value } = await this.#calls.run(() => jobs.next());
      if (done === true) return;
      const progress = parseListed(value.memo?.[PROGRESS_MEMO]);
      yield {
        jobId: value.workflowId,
        status: value.status.name,
        state: shownState(value.status.name, progress?.state ?? null),
        startedAt: value.startTime,
        closedAt: value.closeTime ?? null,
        progress,
        ...listedLabels(value.typedSearchAttributes),
      };
    }
  }

  /**
   * The history of a job's latest run, as Temporal keeps it: references and counts, no prompt text.
   * @throws BatchError `job_not_found`, `temporal_unavailable`, `client_closed`
   */
  async history(jobId: string): ReturnType<WorkflowHandle['fetchHistory']> {
    return await this.#calls.run(() => this.client.workflow.getHandle(jobId).fetchHistory(), { jobId });
  }

  /** Closes the connection; calls that wait end with `client_closed`. Jobs go on. */
  async close(): Promise<void> {
    await this.#calls.close();
  }

  /** `close()`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Reports of earlier versions say only how often lines have met the code. */
function hasLostAnswers({ unavailable, errors }: JobReport): boolean {
  return (unavailable ?? errors['answer_unavailable'] ?? 0) > 0;
}

function assertSame(theirs: string, ours: string, jobId: string): void {
  if (theirs === ours) return;
  throw new BatchError(
    ErrorCode.JobConflict,
    `Job ${jobId} exists with another input or other options: choose another --job, or give the same ones to re-join it.`,
    { details: { jobId } },
  );
}
