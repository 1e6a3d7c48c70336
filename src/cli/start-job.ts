import type { BatchClient } from '../client/index.ts';
import type { JobHandle } from '../client/job-handle.ts';
import type { JobSpec } from '../core/job-spec.ts';
import type { JobFlags } from './job-options.ts';

/** Starts or re-joins a job; with `--retry-failed` begins another pass over its lines without an answer, where there are any. */
export async function startJob(
  client: BatchClient,
  spec: JobSpec,
  { retryFailed = false }: JobFlags,
  say: (text: string) => void,
): Promise<JobHandle> {
  if (!retryFailed) return await client.startSpec(spec);
  const job = client.job(spec.jobId);
  if (!(await job.retryFailed())) say('No line is left that another pass could help.');
  return job;
}
