import type { BatchClient } from '../client/index.ts';
import type { JobHandle } from '../client/job-handle.ts';
import type { ResolvedStart } from '../job/start-options.ts';
import type { JobFlags } from './job-options.ts';

/** Starts or re-joins a job; with `--retry-failed` starts another pass over its lines without an answer, if it has any. */
export async function startJob(
  client: BatchClient,
  { spec, template }: Pick<ResolvedStart, 'spec' | 'template'>,
  { retryFailed = false }: JobFlags,
  say: (text: string) => void,
): Promise<JobHandle> {
  if (!retryFailed) return await client.startSpec(spec, template);
  const job = client.job(spec.jobId);
  if (!(await job.retryFailed())) say('The job has no lines to retry.');
  return job;
}
