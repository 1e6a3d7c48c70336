import { join } from 'node:path';
import { Client, WorkflowExecutionAlreadyStartedError, type WorkflowHandle } from '@temporalio/client';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { IDENTITY_MEMO, type JobOptions, type JobSpec } from '../core/job-spec.ts';
import { readEnvironment } from '../environment.ts';
import { FolderStore } from '../store/folder-store.ts';
import { jobFiles } from '../store/job-files.ts';
import { readRecord } from '../store/store.ts';
import { connectClient, resolveTemporalTarget, type TemporalTarget } from '../temporal/index.ts';
import { BATCH_JOB } from '../workflows/messages.ts';
import { JobHandle } from './job-handle.ts';
import { Schedules } from './schedules/index.ts';
import { identityOf, prepareJob } from '../store/prepare-job.ts';

/** Where a client finds Temporal and the store. Every field is optional. */
export interface BatchClientOptions {
  /** Folder of the store and of the embedded server. @default `DURABLE_BATCH_HOME`, or `.durable-batch` */
  home?: string;
  /** Queue of the workers that shall run the jobs. @default `DURABLE_BATCH_TASK_QUEUE`, or `durable-batch` */
  taskQueue?: string;
  /** @default what `TEMPORAL_*` and Temporal's config file say, or else the embedded server */
  target?: TemporalTarget;
  /** Told what is being started, in one line each. @default nobody */
  log?: (message: string) => void;
}

/** One line of `list()`. */
export interface JobSummary {
  readonly jobId: string;
  /** Temporal's word: RUNNING, COMPLETED, FAILED, … */
  readonly status: string;
  readonly startedAt: Date;
  readonly closedAt: Date | null;
}

/** Starts jobs and finds them again. */
export class BatchClient {
  readonly target: TemporalTarget;
  readonly home: string;
  private readonly client: Client;
  private readonly store: FolderStore;
  private readonly taskQueue: string;

  private constructor(target: TemporalTarget, client: Client, home: string, taskQueue: string) {
    this.target = target;
    this.client = client;
    this.home = home;
    this.taskQueue = taskQueue;
    this.store = new FolderStore(join(home, 'store'));
  }

  /**
   * Connects to Temporal; without a configured address it starts the embedded server or joins the one that runs.
   * @throws BatchError `temporal_unavailable`
   */
  static async connect(options: BatchClientOptions = {}): Promise<BatchClient> {
    const environment = readEnvironment();
    const home = options.home ?? environment.home;
    const log = options.log === undefined ? {} : { log: options.log };
    const target = options.target ?? (await resolveTemporalTarget({ home, ...log }));
    const connection = await connectClient(target);
    const client = new Client({ connection, namespace: target.namespace });
    return new BatchClient(target, client, home, options.taskQueue ?? environment.taskQueue);
  }

  /**
   * Starts a job, or re-joins the one that has the same input and options.
   * @throws BatchError `bad_input`, `bad_option`; `job_conflict` when the id belongs to another job
   */
  async start(options: JobOptions): Promise<JobHandle> {
    return await this.startSpec(await prepareJob(options));
  }

  /** Starts a prepared job, or re-joins it. */
  async startSpec(spec: JobSpec): Promise<JobHandle> {
    const handle = this.job(spec.jobId);
    const identity = identityOf(spec);
    const kept = await readRecord<JobSpec>(this.store, jobFiles.spec(spec.jobId));
    if (kept !== null) assertSame(identityOf(kept), identity, spec.jobId);
    // A finished job is finished even when the server's history of it has been deleted.
    if ((await this.store.size(jobFiles.report(spec.jobId))) !== null) return handle;
    try {
      await this.client.workflow.start(BATCH_JOB, {
        workflowId: spec.jobId,
        taskQueue: this.taskQueue,
        args: [spec],
        workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
        memo: { [IDENTITY_MEMO]: identity },
        staticSummary: `Batch job of ${spec.input.path}`,
        staticDetails: `${spec.input.bytes} bytes, model ${spec.model ?? 'as each line says'}`,
      });
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      const { memo } = await this.client.workflow.getHandle(spec.jobId).describe();
      const theirs = memo?.[IDENTITY_MEMO];
      assertSame(typeof theirs === 'string' ? theirs : '', identity, spec.jobId);
    }
    return handle;
  }

  /** The job with this id; nothing is asked of the server yet. */
  job(jobId: string): JobHandle {
    return new JobHandle(jobId, this.client, this.store);
  }

  /** Schedules of jobs. */
  get schedules(): Schedules {
    return new Schedules(this.client, this.store, this.taskQueue);
  }

  /** The jobs that the server knows, newest first. */
  async *list(): AsyncGenerator<JobSummary> {
    for await (const { workflowId, status, startTime, closeTime } of this.client.workflow.list({
      query: `WorkflowType = '${BATCH_JOB}'`,
    })) {
      yield { jobId: workflowId, status: status.name, startedAt: startTime, closedAt: closeTime ?? null };
    }
  }

  /** The history of a job's latest run, as Temporal keeps it: references and counts, no prompt text. */
  async history(jobId: string): ReturnType<WorkflowHandle['fetchHistory']> {
    return await this.client.workflow.getHandle(jobId).fetchHistory();
  }

  async close(): Promise<void> {
    await this.client.connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function assertSame(theirs: string, ours: string, jobId: string): void {
  if (theirs === ours) return;
  throw new BatchError(
    ErrorCode.JobConflict,
    `Job ${jobId} exists with another input or other options: choose another --job, or give the same ones to re-join it.`,
    { details: { jobId } },
  );
}
