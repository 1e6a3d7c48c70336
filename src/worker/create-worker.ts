import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import { DOWNLOADS_AT_ONCE, POLLS_AT_ONCE, stepQueuesOf, UPLOADS_AT_ONCE } from '../core/step-queues.ts';
import type { OpenAI } from '../openai/client.ts';
import type { TemporalTarget } from '../temporal/index.ts';
import { hostActivities, type ActivityHost } from './activity-host.ts';
import { connectWorker } from './connect-worker.ts';
import type { JobMetrics } from './job-metrics.ts';

/** Options of `startWorker`. */
export interface JobWorkerOptions {
  /** The server and the namespace of the jobs. */
  readonly target: TemporalTarget;
  /** Folder of the store, `DURABLE_BATCH_HOME`. */
  readonly home: string;
  /** The task queue to poll; see `DURABLE_BATCH_TASK_QUEUE`. */
  readonly taskQueue: string;
  /** Scales the waits for a slow API; use 1 for OpenAI, less only for an emulator. @default 1 */
  readonly patience?: number;
  /** Always used without the SDK's own retries. @default a client made from the SDK's environment variables */
  readonly api?: OpenAI;
  /** Metrics of jobs and API calls. @default those of the installed runtime */
  readonly metrics?: JobMetrics;
  /** Threads for file work; long work leaves one free. @default the number of cores, from 2 to 4 */
  readonly threads?: number;
}

/**
 * How long running activities may take to finish after SIGTERM. Then they are cancelled, and another worker retries them.
 * Longer downloads and uploads start again there; nothing is lost or paid twice.
 */
export const SHUTDOWN_GRACE_MS = 10_000;

/** The process of `durable-batch worker` ends at most this long after SIGTERM, whatever its activities do; if a thread is stuck in a read, it is killed. */
export const SHUTDOWN_FORCE_MS = 25_000;

/** Options of Temporal's `Worker.create` that suit jobs; your own worker may spread them into its options. */
export const workerTuning: Readonly<
  Required<
    Pick<
      WorkerOptions,
      | 'shutdownGraceTime'
      | 'shutdownForceTime'
      | 'maxConcurrentActivityTaskExecutions'
      | 'maxCachedWorkflows'
      | 'maxHeartbeatThrottleInterval'
    >
  >
> = {
  shutdownGraceTime: SHUTDOWN_GRACE_MS,
  shutdownForceTime: SHUTDOWN_FORCE_MS,
  /** API calls and short file work: few of them take longer than a second, and none needs much memory. */
  maxConcurrentActivityTaskExecutions: 100,
  /** Each workflow in memory costs about a MB. */
  maxCachedWorkflows: 100,
  /** Temporal throttles heartbeats to four fifths of the timeout; ours are a quarter of it. */
  maxHeartbeatThrottleInterval: '5s',
};

/** Options of an additional activity worker for long steps; see `stepWorkers`. */
export interface StepWorker {
  /** The task queue of one kind of steps. */
  readonly taskQueue: string;
  /** How many of them this worker runs at a time. */
  readonly maxConcurrentActivityTaskExecutions: number;
  /** How long they may take to finish when the worker stops, in ms; see `SHUTDOWN_GRACE_MS`. */
  readonly shutdownGraceTime: number;
}

/**
 * The `Worker.create` options that differ for the workers of long steps; they share all others with the main worker of a queue.
 * Uploads, downloads and polls that run for minutes wait in their own queues on the server and delay nothing else. Jobs use
 * these queues when `stepQueues` of `hostActivities` is true; then all of these workers must run.
 */
export function stepWorkers(taskQueue: string): StepWorker[] {
  const { uploads, downloads, polls } = stepQueuesOf(taskQueue);
  const step = (queue: string, atOnce: number, shutdownGraceTime: number): StepWorker => ({
    taskQueue: queue,
    maxConcurrentActivityTaskExecutions: atOnce,
    shutdownGraceTime,
  });
  return [
    step(uploads, UPLOADS_AT_ONCE, SHUTDOWN_GRACE_MS),
    step(downloads, DOWNLOADS_AT_ONCE, SHUTDOWN_GRACE_MS),
    // A poll has nothing to finish: another worker continues it at once.
    step(polls, POLLS_AT_ONCE, 0),
  ];
}

/** A running worker. */
export interface JobWorker {
  /** Resolves when the worker has stopped; rejects when it fails. */
  readonly stopped: Promise<void>;
  /** Lets running activities finish, at most `SHUTDOWN_GRACE_MS`, and stops. It also waits for a thread whose read does not end (a dead mount). */
  close(): Promise<void>;
  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts a worker for jobs; it runs until `close()`.
 * @throws BatchError `temporal_unavailable`; `api_refused` when there is no key
 */
export async function startWorker(options: JobWorkerOptions): Promise<JobWorker> {
  const host = await hostActivities({ ...options, stepQueues: true });
  const { connection, workers } = await createTemporalWorkers(options, host).catch(async (error: unknown) => {
    await host.close();
    throw error;
  });
  const shutdown = (): void => {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  const work = async (): Promise<void> => {
    try {
      // When one worker fails, the others stop; all must have ended before their connection is closed.
      const ends = await Promise.allSettled(workers.map((worker) => worker.run().finally(shutdown)));
      for (const end of ends) if (end.status === 'rejected') throw end.reason;
    } finally {
      await connection.close();
      await host.close();
    }
  };
  const stopped = work();
  stopped.catch(() => undefined); // callers get the error from `stopped` or `close()`
  const close = async (): Promise<void> => {
    shutdown();
    await stopped;
  };
  return { stopped, close, [Symbol.asyncDispose]: close };
}

async function createTemporalWorkers(
  { target, taskQueue }: JobWorkerOptions,
  { activities, interceptors }: ActivityHost,
): Promise<{ connection: NativeConnection; workers: Worker[] }> {
  const connection = await connectWorker(target);
  const common = {
    connection,
    namespace: target.namespace,
    activities: { ...activities },
    interceptors: { activity: [...interceptors] },
    ...workerTuning,
  };
  const workers: Worker[] = [];
  try {
    for (const steps of stepWorkers(taskQueue)) workers.push(await Worker.create({ ...common, ...steps }));
    workers.push(await Worker.create({ ...common, taskQueue, workflowBundle: jobWorkflowBundle() }));
    return { connection, workers };
  } catch (error) {
    // The workers created so far hold the connection until they have run.
    await Promise.allSettled(workers.map((worker) => worker.runUntil(async () => {})));
    await connection.close();
    throw error;
  }
}

/**
 * The workflows of jobs as a prebuilt bundle, for `workflowBundle` of a worker that runs no other workflows. To run your own
 * workflows too, set `workflowsPath` to a module that re-exports `durable-batch/workflows`.
 */
export function jobWorkflowBundle(): { codePath: string } {
  const here = new URL('./workflow-bundle.cjs', import.meta.url);
  // Tests run from source and use the bundle of the last build.
  const code = existsSync(here) ? here : new URL('../../dist/worker/workflow-bundle.cjs', import.meta.url);
  return { codePath: fileURLToPath(code) };
}
