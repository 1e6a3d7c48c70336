import { join } from 'node:path';
import { Client, type DataConverter, type WorkflowHandle } from '@temporalio/client';
import { parseListed, PROGRESS_MEMO, shownState, type ListedProgress } from '../core/job-listing.ts';
import { assertJobId, type JobSpec } from '../core/job-spec.ts';
import { readEnvironment } from '../environment.ts';
import { keepTemplate } from '../job/job-template.ts';
import { joinSameJob, type JoinedSpec } from '../job/same-job.ts';
import { resolveStart, type StartOptions } from '../job/start-options.ts';
import type { RequestTemplate } from '../render/request-template.ts';
import { openStore } from '../store/open-store.ts';
import type { Store } from '../store/store.ts';
import {
  connectClient,
  resolveTemporalTarget,
  ServerAvailability,
  type TemporalTarget,
} from '../temporal/index.ts';
import { toVisibilityQuery, type JobFilter } from './job-filter.ts';
import { JobHandle } from './job-handle.ts';
import { listedLabels } from './job-labels.ts';
import { Schedules } from './schedules/index.ts';
import { startOrJoin } from './start-workflow.ts';
import { withStoreErrors } from './store-errors.ts';
import type { QueueView } from '../token-queue/queue-view.ts';
import { TemporalCalls } from './temporal-calls.ts';
import { tokenQueues } from './token-queues.ts';

/** The store and the task queue of a client's jobs. Every field is optional. */
export interface BatchClientOptions {
  /** Folder of the store and of the embedded server; workers must have the same one. @default `DURABLE_BATCH_HOME`, or `.durable-batch` */
  home?: string;
  /** Task queue of the workers that run the jobs. @default `DURABLE_BATCH_TASK_QUEUE`, or `durable-batch` */
  taskQueue?: string;
}

/** The server, the store and the task queue of a client. Every field is optional. */
export interface ConnectOptions extends BatchClientOptions {
  /** @default the server of `TEMPORAL_*` or Temporal's config file, or else the embedded server */
  target?: TemporalTarget;
  /** Converts payloads at the server, e.g. to encrypt them; workers must have the same one. @default Temporal's own */
  dataConverter?: DataConverter;
  /** Called with a line of text, e.g. when the embedded server is started. @default none */
  log?: (message: string) => void;
}

/** A job as listed by `list()`. */
export interface JobSummary {
  /** The job's id. */
  readonly jobId: string;
  /** Temporal's status: RUNNING, COMPLETED, FAILED, … */
  readonly status: string;
  /**
   * What the job is doing or how it has ended: a `JobState`, or Temporal's status in lower case if the workflow failed,
   * was terminated or timed out, and for jobs of version 0.1.
   */
  readonly state: string;
  /** When the job, or its current run, was started. */
  readonly startedAt: Date;
  /** When it ended; null while it runs. */
  readonly closedAt: Date | null;
  /** Its progress at the last change of state or some minutes ago; null for jobs of version 0.1. */
  readonly progress: ListedProgress | null;
  /** The account that pays, as the user names it; null if none was given or the server lacks our search attributes. */
  readonly account: string | null;
  /** The schedule that started it; null for others, and if the server lacks our search attributes. */
  readonly schedule: string | null;
  /** Models of its lines, once the shards are built; empty if the server lacks our search attributes. */
  readonly models: readonly string[];
}

/**
 * Starts, gets and lists jobs. A client has one connection; create one per process, and close it at the end, or
 * declare it with `await using`.
 */
export class BatchClient {
  /** Folder of the store and of the embedded server. */
  readonly home: string;
  // Private to the runtime, too: printing a client must not print the connection, which holds the API key.
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
   * Connects to Temporal; without a configured address it starts the embedded server or uses the one that is running.
   * @throws BatchError `temporal_unavailable`, naming the problem of the address, TLS or key
   */
  static async connect(options: ConnectOptions = {}): Promise<BatchClient> {
    const home = options.home ?? readEnvironment().home;
    const log = options.log === undefined ? {} : { log: options.log };
    const target = options.target ?? (await resolveTemporalTarget({ home, ...log }));
    const availability = new ServerAvailability();
    const connection = await connectClient(target, undefined, availability);
    const { dataConverter } = options;
    const client = new Client({
      connection,
      namespace: target.namespace,
      ...(dataConverter === undefined ? {} : { dataConverter }),
    });
    return new BatchClient(new TemporalCalls(client, target, true, availability), options);
  }

  /**
   * Creates a client from the Temporal client of an application, with its connection, namespace, interceptors and data converter;
   * in an activity that is `Context.current().client`. `close()` leaves the connection open.
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

  /** The server and the namespace of the client. Contains secrets (API key, TLS key): never log it. */
  get target(): TemporalTarget {
    return this.#calls.target;
  }

  private get client(): Client {
    return this.#calls.client;
  }

  /**
   * Starts a job, or re-joins the job with the same requests and options.
   * This call reads the source once. A file of requests is read again by the worker, which builds the shards; everything else is stored.
   * @throws BatchError `bad_input`, `bad_option`; `job_conflict` when the id belongs to another job; `temporal_unavailable`,
   * `store_unavailable`, `client_closed`; and what an iterable of the options throws
   */
  async start(options: StartOptions): Promise<JobHandle> {
    this.#calls.assertOpen();
    const { spec, template } = await resolveStart(options, this.store);
    const joined = options.jobId === undefined ? (await this.joinSame(spec)).spec : spec;
    return await this.startSpec(joined, template);
  }

  /**
   * Starts a job prepared by `prepareJob`, or re-joins it. `template` is that of a job over rows.
   * @throws BatchError as `start()`
   */
  async startSpec(spec: JobSpec, template: RequestTemplate | null = null): Promise<JobHandle> {
    const { jobId } = spec;
    const { client, store, taskQueue, target } = this;
    const start = async (): Promise<void> => {
      // Before the workflow, which reads it. A process that dies in between leaves a value that no job names.
      if (template !== null) await keepTemplate(store, template);
      await startOrJoin({ client, target, store, taskQueue }, spec);
    };
    await this.#calls.run(() => withStoreErrors(start, jobId), { jobId });
    return this.job(jobId);
  }

  /**
   * See `joinSameJob`.
   * @internal
   */
  async joinSame(spec: JobSpec): Promise<JoinedSpec> {
    return await withStoreErrors(() => joinSameJob(this.store, spec), spec.jobId);
  }

  /**
   * Returns a handle of the job with this id, without a call to the server (see `JobHandle.exists`).
   * @throws BatchError `bad_option` for an invalid id
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
   * Yields the jobs at the server that match the filter, newest first, fetched page by page as they are consumed. A server
   * deletes closed jobs after its retention time; their results stay in the store.
   * @throws BatchError `bad_option` for a filter that is invalid or needs search attributes that the namespace lacks;
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
   * Yields the queues of the account's enqueued tokens, one for each model that jobs with `priority` or `tokenLimits` use; with `model`, those
   * of this model.
   * @throws BatchError `temporal_unavailable`, also if no worker replies; `client_closed`
   */
  tokenQueues(model?: string): AsyncGenerator<QueueView, void, undefined> {
    return tokenQueues(this.#calls, model ?? null);
  }

  /**
   * Fetches the Temporal history of a job's latest run: references and counts, no prompt text.
   * @throws BatchError `job_not_found`, `temporal_unavailable`, `client_closed`
   */
  async history(jobId: string): ReturnType<WorkflowHandle['fetchHistory']> {
    return await this.#calls.run(() => this.client.workflow.getHandle(jobId).fetchHistory(), { jobId });
  }

  /** Closes the connection; waiting calls end with `client_closed`. Jobs continue. */
  async close(): Promise<void> {
    await this.#calls.close();
  }

  /** `close()`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
