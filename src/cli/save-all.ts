import type { JobHandle } from '../client/job-handle.ts';
import type { JobReport } from '../core/progress.ts';
import type { OutputPath } from './job-options.ts';

/** Waits for the end of a job, and writes its results to all paths. */
export async function saveAll(job: JobHandle, outputs: readonly OutputPath[]): Promise<JobReport> {
  for (const { path, options } of outputs) await job.save(path, options);
  return await job.report();
}
