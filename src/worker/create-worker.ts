import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DefaultLogger, Runtime, Worker, type LogLevel } from '@temporalio/worker';
import type OpenAI from 'openai';
import { pino } from 'pino';
import { createActivities } from '../activities/index.ts';
import { FileWork } from '../file-work/pool.ts';
import { FolderStore } from '../store/folder-store.ts';
import { connectWorker, type TemporalTarget } from '../temporal/index.ts';
import { createApi } from './openai-api.ts';

/** What a worker works with. */
export interface JobWorkerOptions {
  readonly target: TemporalTarget;
  /** Folder of the store, `DURABLE_BATCH_HOME`. */
  readonly home: string;
  readonly taskQueue: string;
  /** See `Dependencies.patience`. @default 1 */
  readonly patience?: number;
  /** @default a client made from the SDK's environment variables, without retries */
  readonly api?: OpenAI;
  /** Threads for file work. @default the number of cores, at most 4 */
  readonly threads?: number;
}

/**
 * How long running activities get to finish after SIGTERM before they are cancelled and left to another worker.
 * Downloads and uploads longer than that start again there; nothing is lost or paid twice.
 */
export const SHUTDOWN_GRACE_MS = 10_000;

/** At most this long after SIGTERM a worker's process is gone, whatever its activities do. */
export const SHUTDOWN_FORCE_MS = 25_000;

/** Activities at a time: enough to keep the network busy, few enough that transfers do not starve each other. */
const ACTIVITIES_AT_A_TIME = 16;

/** Workflows kept in memory; each costs about a MB. */
const CACHED_WORKFLOWS = 100;

/** A running worker. */
export interface JobWorker {
  /** Resolves when the worker has stopped; rejects when it cannot go on. */
  readonly stopped: Promise<void>;
  /** Finishes what runs, at most `SHUTDOWN_GRACE_MS`, and stops. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Sends the logs of Temporal's runtime and of the worker to standard error, one JSON object a line; they hold ids and
 * counts, no prompt text. Signals stay the caller's business. Call before the first worker.
 */
export function installRuntime(level: 'info' | 'warn' | 'error'): void {
  const log = pino({ name: 'durable-batch', level }, pino.destination({ dest: 2, sync: true }));
  const logger = new DefaultLogger(level.toUpperCase() as LogLevel, ({ level: of, message, meta }) => {
    log[of === 'TRACE' || of === 'DEBUG' ? 'debug' : (of.toLowerCase() as 'info' | 'warn' | 'error')](
      meta ?? {},
      message,
    );
  });
  Runtime.install({ logger, shutdownSignals: [] });
}

/**
 * Starts a worker for jobs; it works until `close()`.
 * @throws BatchError `temporal_unavailable`; `api_refused` when there is no key
 */
export async function startWorker(options: JobWorkerOptions): Promise<JobWorker> {
  const api = options.api ?? createApi();
  const folder = join(options.home, 'store');
  await mkdir(folder, { recursive: true });
  const connection = await connectWorker(options.target);
  const files = new FileWork(folder, options.threads ?? Math.min(4, availableParallelism()));
  const worker = await Worker.create({
    connection,
    namespace: options.target.namespace,
    taskQueue: options.taskQueue,
    ...workflowCode(),
    activities: createActivities({
      api,
      store: new FolderStore(folder),
      files,
      patience: options.patience ?? 1,
    }),
    shutdownGraceTime: SHUTDOWN_GRACE_MS,
    shutdownForceTime: SHUTDOWN_FORCE_MS,
    maxConcurrentActivityTaskExecutions: ACTIVITIES_AT_A_TIME,
    maxCachedWorkflows: CACHED_WORKFLOWS,
    // Temporal throttles heartbeats to four fifths of the timeout; ours are a quarter of it.
    maxHeartbeatThrottleInterval: '5s',
  });
  const work = async (): Promise<void> => {
    try {
      await worker.run();
    } finally {
      await connection.close();
      await files.close();
    }
  };
  const stopped = work();
  stopped.catch(() => undefined); // whoever awaits `stopped` or `close()` is told
  const close = async (): Promise<void> => {
    if (worker.getState() === 'RUNNING') worker.shutdown();
    await stopped;
  };
  return { stopped, close, [Symbol.asyncDispose]: close };
}

/** The bundle that the build made; from source, in tests, the one of the last build. */
function workflowCode(): { workflowBundle: { codePath: string } } {
  const here = new URL('./workflow-bundle.cjs', import.meta.url);
  const codePath = fileURLToPath(
    existsSync(here) ? here : new URL('../../dist/worker/workflow-bundle.cjs', import.meta.url),
  );
  return { workflowBundle: { codePath } };
}
