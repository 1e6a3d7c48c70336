import type { Client } from '@temporalio/client';
import { Runtime } from '@temporalio/worker';
import type { JobMetrics } from './job-metrics.ts';
import { readRunningJobs } from './running-jobs.ts';

/** As often as Prometheus asks by default; a reading is a list call for every hundred jobs or so. */
const READ_MS = 15_000;

/**
 * Keeps the gauges of running jobs up to date until disposed of. While the server is away they keep their last values,
 * and `durable_batch_jobs_read_timestamp_seconds` says how old those are.
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
      clearInterval(timer); // a reading that goes on ends with the connection; nobody waits for it
    },
  };
}
