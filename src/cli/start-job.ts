import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { BatchClient } from '../client/index.ts';
import type { JobHandle } from '../client/job-handle.ts';
import type { JobSpec } from '../core/job-spec.ts';
import type { ResolvedStart } from '../job/start-options.ts';
import { jobFiles } from '../store/job-files.ts';
import { openStore } from '../store/open-store.ts';
import { readRecord } from '../store/store.ts';
import type { JobFlags } from './job-options.ts';

/** Starts or re-joins a job; with `--retry-failed` starts another pass over its lines without an answer, if it has any. */
export async function startJob(
  client: BatchClient,
  { spec, template }: Pick<ResolvedStart, 'spec' | 'template'>,
  { retryFailed = false }: JobFlags,
  say: (text: string) => void,
): Promise<JobHandle> {
  if (spec.prices !== undefined) await sayIfPricesStay(client.home, spec, say);
  if (!retryFailed) return await client.startSpec(spec, template);
  const job = client.job(spec.jobId);
  if (!(await job.retryFailed())) say('The job has no lines to retry.');
  return job;
}

/** A job has the prices of its first start, whatever a later one gives. */
async function sayIfPricesStay(
  home: string,
  { jobId, prices }: JobSpec,
  say: (text: string) => void,
): Promise<void> {
  const kept = await readRecord<JobSpec>(openStore(join(home, 'store')), jobFiles.spec(jobId));
  if (kept === null || isDeepStrictEqual(kept.prices, prices)) return;
  say(`Job ${jobId} keeps the prices of its first start: those given now are not used.`);
}
