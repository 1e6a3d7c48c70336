import { Client } from '@temporalio/client';
import { connectClient, type TemporalTarget } from '../temporal/index.ts';
import type { JobMetrics } from './job-metrics.ts';
import { JobWaker, type WakerDependencies } from './wake-job.ts';
import { watchRunningJobs } from './watch-running-jobs.ts';
import type { WebhookServer } from './webhook-server.ts';

/** What a worker does besides its activities, as a client of the server. */
export interface OutsideOptions {
  readonly target: TemporalTarget;
  /** Null where nobody asked for metrics. */
  readonly metrics: JobMetrics | null;
  /** Null where nobody asked for webhooks. */
  readonly webhooks: WebhookServer | null;
  readonly waker: Omit<WakerDependencies, 'client'>;
}

/** Watches running jobs for the gauges, and lets events wake them, until disposed of. */
export async function lookOutside(options: OutsideOptions): Promise<AsyncDisposable> {
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
