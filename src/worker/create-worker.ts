import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import { DOWNLOADS_AT_ONCE, POLLS_AT_ONCE, stepQueuesOf, UPLOADS_AT_ONCE } from '../core/step-queues.ts';
import type { OpenAI } from '../openai/client.ts';
import type { TemporalTarget } from '../temporal/index.ts';
import { hostActivities, type ActivityHost } from './activity-host.ts';
import { connectWorker } from './connect-worker.ts';
import type { JobMetrics } from './job-metrics.ts';

/** What a worker works with. */
export interface JobWorkerOptions {
  /** The server and the namespace whose jobs it works on. */
  readonly target: TemporalTarget;
  /** Folder of the store, `DURABLE_BATCH_HOME`. */
  readonly home: string;
  /** The queue that it serves; see `DURABLE_BATCH_TASK_QUEUE`. */
  readonly taskQueue: string;
  /** Scales the waits for a slow API; 1 suits OpenAI, less is for emulators only. @default 1 */
  readonly patience?: number;
  /** @default a client made from the SDK's environment variables, without retries */
  readonly api?: OpenAI;
  /** What jobs and calls of the API are counted in. @default those of the installed runtime */
  readonly metrics?: JobMetrics;
  /** Threads for file work; long work leaves one free. @default the number of cores, from 2 to 4 */
  readonly threads?: number;
}

/**
 * How long running activities get to finish after SIGTERM before they are cancelled and left to another worker.
 * Downloads and uploads longer than that start again there; nothing is lost or paid twice.
 */
export const SHUTDOWN_GRACE_MS = 10_000;

/** At most this long after SIGTERM the process of `durable-batch worker` is gone, whatever its activities do; it is killed where a thread is stuck in a read. */
export const SHUTDOWN_FORCE_MS = 25_000;

/** Options of Temporal's `Worker.create` that suit jobs; a worker that you host may spread them into its own. */
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
  /** Calls of the API and short file work: few of them take longer than a second, and none of them much memory. */
  maxConcurrentActivityTaskExecutions: 100,
  /** Each workflow in memory costs about a MB. */
  maxCachedWorkflows: 100,
  /** Temporal throttles heartbeats to four fifths of the timeout; ours are a quarter of it. */
  maxHeartbeatThrottleInterval: '5s',
};

/** A worker of activities beside the main one, for steps that take long; see `stepWorkers`. */
export interface StepWorker {
  /** The queue of one kind of steps. */
  readonly taskQueue: string;
  /** How many of them this worker does at a time. */
  readonly maxConcurrentActivityTaskExecutions: number;
  /** How long they get to finish when the worker stops, in ms; see `SHUTDOWN_GRACE_MS`. */
  readonly shutdownGraceTime: number;
}

/**
 * What the workers of long steps need in `Worker.create`, beside the main one of a queue, whose other options they share:
 * uploads, downloads and polls that look for minutes wait in their own queues at the server, and hold up nothing else. With all
 * of them running, and `stepQueues` in `hostActivities`, jobs use them.
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
    // A poll has nothing to finish: another worker goes on with it at once.
    step(polls, POLLS_AT_ONCE, 0),
  ];
}

/** A running worker. */
export interface JobWorker {
  /** Resolves when the worker has stopped; rejects when it cannot go on. */
  readonly stopped: Promise<void>;
  /** Finishes what runs, at most `SHUTDOWN_GRACE_MS`, and stops; a thread whose read does not end (a dead mount) it waits for. */
  close(): Promise<void>;
  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts a worker for jobs; it works until `close()`.
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
      // One of them that cannot go on takes the others with it; all have ended before their connection is closed.
      const ends = await Promise.allSettled(workers.map((worker) => worker.run().finally(shutdown)));
      for (const end of ends) if (end.status === 'rejected') throw end.reason;
    } finally {
      await connection.close();
      await host.close();
    }
  };
  const stopped = work();
  stopped.catch(() => undefined); // whoever awaits `stopped` or `close()` is told
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
    // Those that were made hold the connection until they have run.
    await Promise.allSettled(workers.map((worker) => worker.runUntil(async () => {})));
    await connection.close();
    throw error;
  }
}

/**
 * Our workflows as one ready bundle, for `workflowBundle` of a worker that runs no others; workflows of your own and ours
 * together are bundled from a `workflowsPath` whose module re-exports `durable-batch/workflows`.
 */
export function jobWorkflowBundle(): { codePath: string } {
  const here = new URL('./workflow-bundle.cjs', import.meta.url);
  // From source, in tests, the bundle of the last build.
  const code = existsSync(here) ? here : new URL('../../dist/worker/workflow-bundle.cjs', import.meta.url);
  return { codePath: fileURLToPath(code) };
}
