import type { JobSpec } from '../core/job-spec.ts';
import { jobFiles } from '../store/job-files.ts';
import { readRecord, type Store } from '../store/store.ts';
import { priceList, type PriceList } from './price-list.ts';

/** The prices of a job, as it was first started: every worker prices its answers alike. */
export async function jobPrices(store: Store, job: string): Promise<PriceList> {
  const spec = await readRecord<JobSpec>(store, jobFiles.spec(job));
  return priceList(spec?.prices);
}
