/**
 * The metadata of our batches, by which they are found again: three of up to 16 pairs (keys of up to 64 characters, values of up
 * to 512).
 */

/** The metadata key of `batchKey`: job, shard and number of the batch. */
export const SHARD_KEY = 'durable_batch_shard';
/** The metadata key of the job. */
export const JOB_KEY = 'durable_batch_job';
/** The metadata key of the job's random instance id; see `jobInstance`. */
export const INSTANCE_KEY = 'durable_batch_store';

/** Our metadata of a batch. Servers may drop it, and anyone with access to the account can write any value. */
export interface BatchMetadata {
  /** See `batchKey`. */
  readonly key: string | undefined;
  readonly job: string | undefined;
  /** Distinguishes jobs with the same id in several stores; see `jobInstance`. */
  readonly instance: string | undefined;
}

/** The shard of a batch, and the number of the batch in it. */
export interface BatchKey {
  readonly shard: string;
  readonly batch: number;
  /** True if the metadata has no instance id: only the input file shows whether the batch is ours. */
  readonly isBare?: true;
}

/** Returns the key of a batch in its metadata; unique for each batch that a job creates. */
export function batchKey(job: string, { shard, batch }: BatchKey): string {
  return `${job}/${shard}/${batch}`;
}

/**
 * Returns which batch of this job the metadata names; null for any other batch, also of a job with this id in another store.
 * Batches of version 0.1 have no instance id.
 */
export function parseBatchKey(
  job: string,
  instance: string | null,
  metadata: BatchMetadata | null,
): BatchKey | null {
  const its = metadata?.instance;
  if (metadata?.job !== job || (its !== undefined && its !== instance)) return null;
  const [shard, batch, ...rest] = (metadata.key ?? '').slice(job.length + 1).split('/');
  const number = Number(batch);
  return shard !== undefined && shard !== '' && Number.isInteger(number) && rest.length === 0
    ? { shard, batch: number, ...(its === undefined ? { isBare: true } : {}) }
    : null;
}

/** Returns the metadata for a batch to create. */
export function toMetadata({
  key,
  job,
  instance,
}: Record<keyof BatchMetadata, string>): Record<string, string> {
  return { [SHARD_KEY]: key, [JOB_KEY]: job, [INSTANCE_KEY]: instance };
}

/** Returns our part of the metadata of a batch object; null if the object has no metadata. */
export function readMetadata(metadata: unknown): BatchMetadata | null {
  if (typeof metadata !== 'object') return null;
  const {
    [SHARD_KEY]: key,
    [JOB_KEY]: job,
    [INSTANCE_KEY]: instance,
  } = (metadata ?? {}) as Partial<Record<string, string>>;
  return { key, job, instance };
}
