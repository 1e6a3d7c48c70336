import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { createActivities, type Activities } from '../activities/index.ts';
import { neverThrows } from '../core/never-throws.ts';
import { readEnvironment } from '../environment.ts';
import { FileWork } from '../file-work/file-work.ts';
import { createApi, type OpenAI } from '../openai/client.ts';
import { openStore } from '../store/open-store.ts';
import { createJobMetrics, type JobMetrics } from './job-metrics.ts';
import { observeJobs } from './observe-jobs.ts';
import { tellFailures } from './tell-failures.ts';

/** What the activities of a worker work with. Every field is optional. */
export interface ActivityHostOptions {
  /** Folder of the store; clients must have the same one. @default `DURABLE_BATCH_HOME`, or `.durable-batch` */
  readonly home?: string;
  /** Used without the SDK's own retries, whatever it says: Temporal is the only retrier. @default a client made from the SDK's environment variables */
  readonly api?: OpenAI;
  /** Threads for file work, each some 40 MB; long work leaves one free. @default the number of cores, from 2 to 4 */
  readonly threads?: number;
  /**
   * True when workers with these activities also serve the queues that `stepWorkers` lists. Without them all steps share
   * the worker's queue, and transfers wait in its slots. @default false
   */
  readonly stepQueues?: boolean;
  /** What jobs and calls of the API are counted in. @default those of the installed runtime */
  readonly metrics?: JobMetrics;
  /** Scales the waits for a slow API; 1 suits OpenAI, less is for emulators only. @default `DURABLE_BATCH_PATIENCE`, or 1 */
  readonly patience?: number;
}

/** The activities of jobs, for a worker of your own. */
export interface ActivityHost {
  /** Spread them into `activities` of `Worker.create`; none of their names may be taken. */
  readonly activities: Activities;
  /** Add them to `interceptors.activity`, so that failed steps are counted and logged with their job; jobs do without, too. */
  readonly interceptors: readonly ActivityInterceptorsFactory[];
  /** Ends the threads; call it when the worker has stopped. */
  close(): Promise<void>;
  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Makes what the activities of jobs need: the store's folder, threads for file work, the API's client.
 * @throws BatchError `api_refused` when there is no key, `store_unavailable` where the folder cannot hold a store
 */
export async function hostActivities(options: ActivityHostOptions = {}): Promise<ActivityHost> {
  const environment = readEnvironment();
  const metrics = neverThrows(options.metrics ?? createJobMetrics()); // calls of the API and failed steps are counted, too
  const api = options.api ?? createApi((call) => metrics.apiCalled(call));
  const store = openStore(join(options.home ?? environment.home, 'store'));
  await store.check();
  const files = new FileWork({ store, threads: options.threads ?? defaultThreads() });
  const activities = createActivities({
    api,
    store,
    files,
    patience: options.patience ?? environment.patience,
    hasStepQueues: options.stepQueues ?? false,
    observer: observeJobs(metrics),
  });
  const close = async (): Promise<void> => await files.close();
  return { activities, interceptors: [tellFailures(metrics)], close, [Symbol.asyncDispose]: close };
}

function defaultThreads(): number {
  return Math.max(2, Math.min(4, availableParallelism()));
}
