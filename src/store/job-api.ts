import { createHash } from 'node:crypto';
import { jobFiles } from './job-files.ts';
import { claimRecord, readRecord, type Store } from './store.ts';

/** Which API a job's files and batches live at. A hash, since a base URL may hold credentials. */
interface JobApi {
  readonly baseUrlSha256: string;
}

/**
 * True when the job's batches live at this base URL; the first call of a job decides. Anywhere else they would be
 * taken for lost, and their lines bought again.
 */
export async function claimJobApi(store: Store, job: string, baseUrl: string): Promise<boolean> {
  const mine: JobApi = { baseUrlSha256: fingerprint(baseUrl) };
  const known = await readRecord<JobApi>(store, jobFiles.api(job));
  const { baseUrlSha256 } = known ?? (await claimRecord(store, jobFiles.api(job), mine)).record;
  return baseUrlSha256 === mine.baseUrlSha256;
}

/** True when the job has begun and its batches live elsewhere; decides nothing. */
export async function isOtherApi(store: Store, job: string, baseUrl: string): Promise<boolean> {
  const known = await readRecord<JobApi>(store, jobFiles.api(job));
  return known !== null && known.baseUrlSha256 !== fingerprint(baseUrl);
}

/** Of host and path only: a key or a query may change, and the batches stay where they are. */
function fingerprint(baseUrl: string): string {
  const { protocol, host, pathname } = new URL(baseUrl);
  return createHash('sha256')
    .update(`${protocol}//${host}${pathname.replace(/\/+$/, '')}`)
    .digest('hex');
}
