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
  const mine = apiFingerprint(baseUrl);
  return (await recordJobApi(store, job, mine)) === mine;
}

/** Keeps where the batches of a job live, where that is not on record yet; answers what is on record. */
export async function recordJobApi(store: Store, job: string, baseUrlSha256: string): Promise<string> {
  const known = await readRecord<JobApi>(store, jobFiles.api(job));
  if (known !== null) return known.baseUrlSha256;
  const mine: JobApi = { baseUrlSha256, instance: randomBytes(8).toString('hex') };
  return (await claimRecord(store, jobFiles.api(job), mine)).record.baseUrlSha256;
}

/** What the batches of a job of this store carry, besides its id; null for a job that has not called the API yet. */
export async function jobInstance(store: Store, job: string): Promise<string | null> {
  return (await readRecord<JobApi>(store, jobFiles.api(job)))?.instance ?? null;
}

/** True when it is on record that the job's batches live elsewhere than at this base URL, given as `apiFingerprint`; decides nothing. */
export async function isOtherApi(store: Store, job: string, baseUrlSha256: string): Promise<boolean> {
  const known = await readRecord<JobApi>(store, jobFiles.api(job));
  return known !== null && known.baseUrlSha256 !== baseUrlSha256;
}

/** A hash of a base URL's host and path only: a key or a query may change, and the batches stay where they are. */
export function apiFingerprint(baseUrl: string): string {
  const { protocol, host, pathname } = new URL(baseUrl);
  return createHash('sha256')
    .update(`${protocol}//${host}${pathname.replace(/\/+$/, '')}`)
    .digest('hex');
}
