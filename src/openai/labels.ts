/**
 * What batches carry so that they can be found again: three words in their metadata, which holds up to 16 pairs (keys of up to
 * 64 characters, values of up to 512).
 */

/** The metadata key under which a batch carries the name of the shard it was created for. */
export const SHARD_KEY = 'durable_batch_shard';
/** The metadata key of the job. */
export const JOB_KEY = 'durable_batch_job';
/** The metadata key that tells jobs of one id in several stores apart; see `jobInstance`. */
export const INSTANCE_KEY = 'durable_batch_store';

/** The three as a batch shows them. Servers may drop them, and whoever may create batches of the account writes what he likes. */
export interface BatchLabels {
  /** See `batchKey`. */
  readonly key: string | undefined;
  readonly job: string | undefined;
  /** Which of several stores' jobs of that id; see `jobInstance`. */
  readonly instance: string | undefined;
}

/** The n-th batch of a shard. */
export interface BatchKey {
  readonly shard: string;
  readonly batch: number;
  /** True where the metadata does not say of which store the job is: only its file shows whether the batch is ours. */
  readonly isBare?: true;
}

/** Names a batch; unique for each that we mean to create. */
export function batchKey(job: string, { shard, batch }: BatchKey): string {
  return `${job}/${shard}/${batch}`;
}

/**
 * Which batch of this job a batch is by its labels; null for batches of others, also of a job of this id in another store.
 * Those that version 0.1 has created carry no word of their store.
 */
export function parseBatchKey(
  job: string,
  instance: string | null,
  labels: BatchLabels | null,
): BatchKey | null {
  const its = labels?.instance;
  if (labels?.job !== job || (its !== undefined && its !== instance)) return null;
  const [shard, batch, ...rest] = (labels.key ?? '').slice(job.length + 1).split('/');
  const number = Number(batch);
  return shard !== undefined && shard !== '' && Number.isInteger(number) && rest.length === 0
    ? { shard, batch: number, ...(its === undefined ? { isBare: true } : {}) }
    : null;
}

/** The metadata of a batch that is to be created. */
export function toMetadata({
  key,
  job,
  instance,
}: Record<keyof BatchLabels, string>): Record<string, string> {
  return { [SHARD_KEY]: key, [JOB_KEY]: job, [INSTANCE_KEY]: instance };
}

/** The labels in the metadata of a batch object; null where it has no word of metadata. */
export function readLabels(metadata: unknown): BatchLabels | null {
  if (typeof metadata !== 'object') return null;
  const {
    [SHARD_KEY]: key,
    [JOB_KEY]: job,
    [INSTANCE_KEY]: instance,
  } = (metadata ?? {}) as Partial<Record<string, string>>;
  return { key, job, instance };
}
