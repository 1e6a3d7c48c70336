import type OpenAI from 'openai';
import { shardFiles } from '../store/job-files.ts';
import { readRecord, type Store } from '../store/store.ts';
import type { BatchRecord } from './batch-record.ts';
import type { Dependencies } from './dependencies.ts';
import { INSTANCE_KEY, JOB_KEY, SHARD_KEY } from './find-batch.ts';
import { shownStatus } from './shown-status.ts';

/** The n-th batch of a shard, as the metadata of a batch names it. */
export interface BatchKey {
  readonly shard: string;
  readonly batch: number;
  /** True where the metadata does not say of which store the job is: only its file shows whether the batch is ours. */
  readonly isBare?: true;
}

/** Batches that were created besides the one on record, in the order in which they were found. */
interface DuplicatesRecord {
  readonly batchIds: readonly string[];
}

/** The ids of a batch's duplicates, as far as they have been found. */
export async function readDuplicates(
  store: Store,
  job: string,
  { shard, batch }: BatchKey,
): Promise<readonly string[]> {
  const record = await readRecord<DuplicatesRecord>(store, shardFiles.duplicates(job, shard, batch));
  return record?.batchIds ?? [];
}

/** Writes a duplicate down. Found again at the next poll where two attempts overwrite each other's. */
export async function noteDuplicate(
  { store, observer }: Pick<Dependencies, 'store' | 'observer'>,
  job: string,
  meant: BatchKey,
  batchId: string,
): Promise<void> {
  const known = await readDuplicates(store, job, meant);
  if (known.includes(batchId)) return;
  const record: DuplicatesRecord = { batchIds: [...known, batchId] };
  await store.replace(shardFiles.duplicates(job, meant.shard, meant.batch), JSON.stringify(record));
  observer?.onDuplicateFound({ job, shard: meant.shard, batch: meant.batch, batchId });
}

/**
 * Which batch of this job a batch is by its metadata; null for batches of others, also of a job of this id in another store.
 * Those that version 0.1 has created carry no word of their store.
 */
export function parseBatchKey(
  job: string,
  instance: string | null,
  { metadata }: OpenAI.Batch,
): BatchKey | null {
  const its = metadata?.[INSTANCE_KEY];
  if (metadata?.[JOB_KEY] !== job || (its !== undefined && its !== instance)) return null;
  const [shard, batch, ...rest] = (metadata[SHARD_KEY] ?? '').slice(job.length + 1).split('/');
  const number = Number(batch);
  return shard !== undefined && shard !== '' && Number.isInteger(number) && rest.length === 0
    ? { shard, batch: number, ...(its === undefined ? { isBare: true } : {}) }
    : null;
}

/**
 * True for a batch of this store's job: one that says so, or one that does not say of which store it is and was made of a file
 * that this job has uploaded, since nobody else has batches of that.
 */
export async function isOfThisStore(
  store: Store,
  job: string,
  { shard, isBare }: BatchKey,
  { input_file_id: fileId }: OpenAI.Batch,
): Promise<boolean> {
  return isBare !== true || (await readUploads(store, job, shard)).includes(fileId);
}

/** The ids of the files that a shard was uploaded as. */
export async function readUploads(store: Store, job: string, shard: string): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let n = 1; ; n += 1) {
    const record = await readRecord<{ fileId: string }>(store, shardFiles.upload(job, shard, n));
    if (record === null) return ids;
    ids.push(record.fileId);
  }
}

/** The ids of the shard's batches before this one, which may have been made of the same file. */
export async function readEarlierBatches(
  store: Store,
  job: string,
  { shard, batch }: BatchKey,
): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let n = 1; n < batch; n += 1) {
    const record = await readRecord<BatchRecord>(store, shardFiles.batch(job, shard, n));
    if (record !== null) ids.push(record.batchId);
  }
  return ids;
}

/**
 * True when a batch of this job is not the one on record: somebody's POST (a process that was stopped, and woke up after
 * another one had searched in vain) created it on top. A batch without a record is being created just now.
 */
export async function isDuplicate(
  store: Store,
  job: string,
  { shard, batch }: BatchKey,
  batchId: string,
): Promise<boolean> {
  const record = await readRecord<BatchRecord>(store, shardFiles.batch(job, shard, batch));
  return record !== null && record.batchId !== batchId;
}

/**
 * Of batches that are all meant to be one, that which stays: the oldest that has not failed, for it is the furthest. Of
 * one second's, the first named.
 */
export function oldestOf(batches: readonly OpenAI.Batch[]): OpenAI.Batch {
  const alive = batches.filter((batch) => shownStatus(batch).status !== 'failed');
  return (alive.length > 0 ? alive : batches).reduce((oldest, batch) =>
    batch.created_at < oldest.created_at ? batch : oldest,
  );
}
