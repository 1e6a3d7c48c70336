import type { JobSpec } from '../core/job-spec.ts';
import { inputExists } from '../input/input-exists.ts';
import { identityFiles, jobFiles } from '../store/job-files.ts';
import { identityOf } from './job-identity.ts';
import { claimRecord, readRecord, type Store } from '../store/store.ts';

/** The job that was started first of some requests and options. */
interface FirstJob {
  readonly v: 1;
  readonly job: string;
  /** Absolute path of its input then. */
  readonly input: string;
}

/** A spec under the id of the job that it is. */
export interface JoinedSpec {
  readonly spec: JobSpec;
  /** The path of the job's input when it was first started, where that was another one than now; null otherwise. */
  readonly startedFrom: string | null;
}

/**
 * Gives a spec whose id nobody has chosen the id of the job that this store has of the same requests and options, whatever
 * its input is called by now; where there is none, the spec's own id is from now on that of such a job, and of two starts at
 * once both get the same one.
 */
export async function joinSameJob(store: Store, spec: JobSpec): Promise<JoinedSpec> {
  // Also one of an earlier version, of which there is no record.
  if (await isJobOf(store, spec.jobId, spec)) {
    await rememberJob(store, spec);
    return { spec, startedFrom: null };
  }
  const key = identityFiles.first(identityOf(spec));
  const known = await readRecord<FirstJob>(store, key);
  let first = known ?? (await claimRecord(store, key, firstJob(spec))).record;
  if (!(await couldBeJobOf(store, first.job, spec))) {
    // The folder of that job is gone, and its id has become another job's.
    first = firstJob(spec);
    await store.replace(key, JSON.stringify(first));
  }
  const joined = { ...spec, jobId: first.job };
  await keepInputPath(store, joined, first);
  return { spec: joined, startedFrom: first.input === spec.input.path ? null : first.input };
}

/** Remembers a job that has been started as the one of its requests and options, if it is the first. */
export async function rememberJob(store: Store, spec: JobSpec): Promise<void> {
  const key = identityFiles.first(identityOf(spec));
  if ((await store.size(key)) === null) await claimRecord(store, key, firstJob(spec));
}

/** Where the input of a job is to be read: under the path of the last start that had another one, if it is there. */
export async function inputPathOf(store: Store, spec: JobSpec): Promise<string> {
  const moved = await readRecord<{ path: string }>(store, jobFiles.input(spec.jobId));
  if (moved === null) return spec.input.path;
  return (await inputExists(moved.path)) ? moved.path : spec.input.path;
}

/** Tells the worker of a job whose shards are not built yet where its input is now: its workflow knows only the first path. */
async function keepInputPath(store: Store, { jobId, input }: JobSpec, first: FirstJob): Promise<void> {
  if ((await store.size(jobFiles.round(jobId, 1))) !== null) return;
  const key = jobFiles.input(jobId);
  if (first.input === input.path && (await store.size(key)) === null) return;
  await store.replace(key, JSON.stringify({ path: input.path }));
}

function firstJob({ jobId, input }: JobSpec): FirstJob {
  return { v: 1, job: jobId, input: input.path };
}

async function isJobOf(store: Store, jobId: string, spec: JobSpec): Promise<boolean> {
  const kept = await readRecord<JobSpec>(store, jobFiles.spec(jobId));
  return kept !== null && identityOf(kept) === identityOf(spec);
}

/** True also for a job that has no shards yet: only its workflow knows what it is. */
async function couldBeJobOf(store: Store, jobId: string, spec: JobSpec): Promise<boolean> {
  return (await store.size(jobFiles.spec(jobId))) === null || (await isJobOf(store, jobId, spec));
}
