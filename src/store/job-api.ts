import { createHash, randomBytes } from 'node:crypto';
import { jobFiles } from './job-files.ts';
import { claimRecord, readRecord, type Store } from './store.ts';

/** What links a job of this store to its batches at the API. */
interface JobApi {
  /** The API that has the batches, as a hash: a base URL may contain credentials. */
  readonly baseUrlSha256: string;
  /**
   * A random id, drawn once per job and store. Two homes may have jobs with the same id, and a job's folder may be deleted and its id
   * reused for another input: this job must not adopt or cancel their batches.
   */
  readonly instance: string;
}

/**
 * Returns true when the job's batches are at this base URL; the first call of a job sets it. At any other API they would
 * look lost, and their lines would be bought again.
 */
export async function claimJobApi(store: Store, job: string, baseUrl: string): Promise<boolean> {
  const mine = apiFingerprint(baseUrl);
  return (await recordJobApi(store, job, mine)) === mine;
}

/** Records which API has the batches of a job, unless that is on record already; returns what is on record. */
export async function recordJobApi(store: Store, job: string, baseUrlSha256: string): Promise<string> {
  const known = await readRecord<JobApi>(store, jobFiles.api(job));
  if (known !== null) return known.baseUrlSha256;
  const mine: JobApi = { baseUrlSha256, instance: randomBytes(8).toString('hex') };
  return (await claimRecord(store, jobFiles.api(job), mine)).record.baseUrlSha256;
}

/** The instance id that the batches of a job carry besides the job's id; null for a job that has not called the API yet. */
export async function jobInstance(store: Store, job: string): Promise<string | null> {
  return (await readRecord<JobApi>(store, jobFiles.api(job)))?.instance ?? null;
}

/** True when the record says that the job's batches are at another base URL than this `apiFingerprint`; records nothing. */
export async function isOtherApi(store: Store, job: string, baseUrlSha256: string): Promise<boolean> {
  const known = await readRecord<JobApi>(store, jobFiles.api(job));
  return known !== null && known.baseUrlSha256 !== baseUrlSha256;
}

/** A hash of a base URL's protocol, host and path only: a change of key or query does not move the batches. */
export function apiFingerprint(baseUrl: string): string {
  const { protocol, host, pathname } = new URL(baseUrl);
  return createHash('sha256')
    .update(`${protocol}//${host}${pathname.replace(/\/+$/, '')}`)
    .digest('hex');
}
