import type { JobSpec } from '../core/job-spec.ts';
import { inputExists } from '../input/input-exists.ts';
import { identityFiles, jobFiles } from '../store/job-files.ts';
import { identityOf } from './job-identity.ts';
import { claimRecord, readRecord, type Store } from '../store/store.ts';

/** The first job that was started with certain requests and options. */
interface FirstJob {
  readonly v: 1;
  readonly job: string;
  /** Absolute path of its input at its first start. */
  readonly input: string;
}

/** A spec with the id of the existing job of the same requests and options, if there is one. */
export interface JoinedSpec {
  readonly spec: JobSpec;
  /** The path of the job's input at its first start, when it differs from the present one; null otherwise. */
  readonly startedFrom: string | null;
}

/**
 * For a spec without a user-chosen id: returns the spec with the id of this store's job of the same requests and options, whatever its
 * input's path is now. When there is no such job, records the spec's own id for them. Two starts at once get the same id.
 */
export async function joinSameJob(store: Store, spec: JobSpec): Promise<JoinedSpec> {
  // Also a job of an earlier version, which has no record of its identity.
  if (await isJobOf(store, spec.jobId, spec)) {
    await rememberJob(store, spec);
    return { spec, startedFrom: null };
  }
  const key = identityFiles.first(identityOf(spec));
  const known = await readRecord<FirstJob>(store, key);
  let first = known ?? (await claimRecord(store, key, firstJob(spec))).record;
  if (!(await couldBeJobOf(store, first.job, spec))) {
    // The folder of that job was deleted, and its id now belongs to another job.
    first = firstJob(spec);
    await store.replace(key, JSON.stringify(first));
  }
  const joined = { ...spec, jobId: first.job };
  await recordInputPath(store, joined, first);
  return { spec: joined, startedFrom: first.input === spec.input.path ? null : first.input };
}

/** Records a started job as the one of its requests and options, if it is the first. */
export async function rememberJob(store: Store, spec: JobSpec): Promise<void> {
  const key = identityFiles.first(identityOf(spec));
  if ((await store.size(key)) === null) await claimRecord(store, key, firstJob(spec));
}

/** The path from which to read a job's input: that of the last start under another path, if it exists. */
export async function inputPathOf(store: Store, spec: JobSpec): Promise<string> {
  if (spec.input.stored === true) return spec.input.path;
  const moved = await readRecord<{ path: string }>(store, jobFiles.input(spec.jobId));
  if (moved === null) return spec.input.path;
  return (await inputExists(moved.path)) ? moved.path : spec.input.path;
}

/** Records the present path of the input for the worker until the shards are built: the workflow knows only the first path. */
async function recordInputPath(store: Store, { jobId, input }: JobSpec, first: FirstJob): Promise<void> {
  if (input.stored === true || (await store.size(jobFiles.round(jobId, 1))) !== null) return;
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

/** True also for a job without shards: only its workflow knows its spec. */
async function couldBeJobOf(store: Store, jobId: string, spec: JobSpec): Promise<boolean> {
  return (await store.size(jobFiles.spec(jobId))) === null || (await isJobOf(store, jobId, spec));
}
