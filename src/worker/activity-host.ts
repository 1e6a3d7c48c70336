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
import { failureInterceptor } from './failure-interceptor.ts';

/** Options of `hostActivities`. Every field is optional. */
export interface ActivityHostOptions {
  /** Folder of the store; clients must use the same one. @default `DURABLE_BATCH_HOME`, or `.durable-batch` */
  readonly home?: string;
  /** Always used without the SDK's own retries: only Temporal retries. @default a client made from the SDK's environment variables */
  readonly api?: OpenAI;
  /** Threads for file work, about 40 MB each; long work leaves one free. @default the number of cores, from 2 to 4 */
  readonly threads?: number;
  /**
   * True when workers with these activities also serve the queues that `stepWorkers` lists. Otherwise all steps share
   * the worker's queue, and transfers occupy its slots. @default false
   */
  readonly stepQueues?: boolean;
  /** Metrics of jobs and API calls. @default those of the installed runtime */
  readonly metrics?: JobMetrics;
  /** Scales the waits for a slow API; use 1 for OpenAI, less only for an emulator. @default `DURABLE_BATCH_PATIENCE`, or 1 */
  readonly patience?: number;
}

/** The activities of jobs, for your own worker. */
export interface ActivityHost {
  /** Spread them into `activities` of `Worker.create`; your own activities must have other names. */
  readonly activities: Activities;
  /** Add them to `interceptors.activity` to count and log failed steps with their job. Jobs also run without them. */
  readonly interceptors: readonly ActivityInterceptorsFactory[];
  /** Ends the threads; call it when the worker has stopped. */
  close(): Promise<void>;
  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Creates the activities and what they use: the store, the threads for file work and the API client.
 * @throws BatchError `api_refused` when there is no key, `store_unavailable` when the folder cannot hold a store
 */
export async function hostActivities(options: ActivityHostOptions = {}): Promise<ActivityHost> {
  const environment = readEnvironment();
  const metrics = neverThrows(options.metrics ?? createJobMetrics()); // also used outside the observer
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
  return { activities, interceptors: [failureInterceptor(metrics)], close, [Symbol.asyncDispose]: close };
}

function defaultThreads(): number {
  return Math.max(2, Math.min(4, availableParallelism()));
}
