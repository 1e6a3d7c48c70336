import { createHash, randomBytes } from 'node:crypto';
import { jobFiles } from './job-files.ts';
import { claimRecord, readRecord, type Store } from './store.ts';

/** What ties a job of this store to its batches at the API. */
interface JobApi {
  /** Where they live; a hash, since a base URL may hold credentials. */
  readonly baseUrlSha256: string;
  /**
   * Drawn once per job and store. Two homes may have jobs of one id, and a job's folder may be deleted and its id used for
   * another input: their batches must not be taken for this job's, nor cancelled by it.
   */
  readonly instance: string;
}

/**
 * True when the job's batches live at this base URL; the first call of a job decides. Anywhere else they would be
 * taken for lost, and their lines bought again.
 */
export async function claimJobApi(store: Store, job: string, baseUrl: string): Promise<boolean> {
  const mine: JobApi = { baseUrlSha256: fingerprint(baseUrl), instance: randomBytes(8).toString('hex') };
  const known = await readRecord<JobApi>(store, jobFiles.api(job));
  const { baseUrlSha256 } = known ?? (await claimRecord(store, jobFiles.api(job), mine)).record;
  return baseUrlSha256 === mine.baseUrlSha256;
}

/**
 * Fixes where the batches of a job shall live before anything is sent, so that no worker of another API takes it up; a job of
 * which no shard was built may still choose another place. False when they live elsewhere.
 */
export async function fixJobApi(store: Store, job: string, baseUrl: string): Promise<boolean> {
  if (await claimJobApi(store, job, baseUrl)) return true;
  if ((await store.size(jobFiles.round(job, 1))) !== null) return false;
  await store.remove(jobFiles.api(job));
  return await claimJobApi(store, job, baseUrl);
}

/** What the batches of a job of this store carry, besides its id; null for a job that has not called the API yet. */
export async function jobInstance(store: Store, job: string): Promise<string | null> {
  return (await readRecord<JobApi>(store, jobFiles.api(job)))?.instance ?? null;
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
