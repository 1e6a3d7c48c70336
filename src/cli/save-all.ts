import type { JobHandle } from '../client/job-handle.ts';
import type { JobReport } from '../core/progress.ts';
import { outputsOf, type OutputFlags } from './job-options.ts';

/** Waits for the end of a job, and writes its results to all paths of the flags. */
export async function saveAll(job: JobHandle, flags: OutputFlags): Promise<JobReport> {
  for (const { path, options } of outputsOf(flags)) await job.save(path, options);
  return await job.report();
}
