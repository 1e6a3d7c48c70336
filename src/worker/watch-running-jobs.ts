import type { Client } from '@temporalio/client';
import { Runtime } from '@temporalio/worker';
import type { JobMetrics } from './job-metrics.ts';
import { readRunningJobs } from './running-jobs.ts';

/** Prometheus scrapes at this interval by default; a reading takes one list call per hundred jobs or so. */
const READ_MS = 15_000;

/**
 * Keeps the gauges of running jobs up to date until disposed of. While the server is unavailable they keep their last values,
 * and `durable_batch_jobs_read_timestamp_seconds` shows how old those are.
 */
export function watchRunningJobs(client: Client, metrics: JobMetrics, everyMs: number = READ_MS): Disposable {
  let reading: Promise<void> | null = null;
  let failed = false;
  let closed = false;
  const read = async (): Promise<void> => {
    try {
      metrics.running(await readRunningJobs(client));
      failed = false;
    } catch (error) {
      if (!failed && !closed)
        Runtime.instance().logger.warn('running jobs cannot be read', {
          event: 'jobs_unreadable',
          reason: (error as Error).name,
        });
      failed = true;
    }
  };
  const begin = (): void => {
    reading ??= read().finally(() => (reading = null));
  };
  begin();
  const timer = setInterval(begin, everyMs);
  return {
    [Symbol.dispose](): void {
      closed = true;
      clearInterval(timer); // a reading in progress ends with the connection
    },
  };
}
