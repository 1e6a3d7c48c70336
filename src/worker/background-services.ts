import { Client } from '@temporalio/client';
import { connectClient, type TemporalTarget } from '../temporal/index.ts';
import type { JobMetrics } from './job-metrics.ts';
import { JobWaker, type WakerDependencies } from './wake-job.ts';
import { watchRunningJobs } from './watch-running-jobs.ts';
import type { WebhookServer } from './webhook-server.ts';

/** Options of `startBackgroundServices`. */
export interface BackgroundServiceOptions {
  readonly target: TemporalTarget;
  /** Null when metrics are off. */
  readonly metrics: JobMetrics | null;
  /** Null when webhooks are off. */
  readonly webhooks: WebhookServer | null;
  readonly waker: Omit<WakerDependencies, 'client'>;
}

/** Reads running jobs for the gauges, and wakes jobs on webhook events, until disposed of. */
export async function startBackgroundServices(options: BackgroundServiceOptions): Promise<AsyncDisposable> {
  const { target, metrics, webhooks } = options;
  const connection = await connectClient(target);
  const client = new Client({ connection, namespace: target.namespace });
  const watching = metrics === null ? null : watchRunningJobs(client, metrics);
  const waker = new JobWaker({ ...options.waker, client });
  webhooks?.serve((batchId) => waker.wake(batchId));
  return {
    async [Symbol.asyncDispose](): Promise<void> {
      waker.close();
      watching?.[Symbol.dispose]();
      await connection.close();
    },
  };
}
