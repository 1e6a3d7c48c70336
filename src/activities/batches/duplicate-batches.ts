import type { ApiBatch } from '../../openai/api-batch.ts';
import type { BatchKey } from '../../openai/batch-metadata.ts';
import { shardFiles } from '../../store/job-files.ts';
import { readRecord, type Store } from '../../store/store.ts';
import type { BatchRecord } from './batch-record.ts';
import type { Dependencies } from '../step/dependencies.ts';

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
 * True for a batch of this store's job: one that says so, or one that does not say of which store it is and was made of a file
 * that this job has uploaded, since nobody else has batches of that.
 */
export async function isOfThisStore(
  store: Store,
  job: string,
  { shard, isBare }: BatchKey,
  { inputFileId }: ApiBatch,
): Promise<boolean> {
  if (isBare !== true) return true;
  return inputFileId !== null && (await readUploads(store, job, shard)).includes(inputFileId);
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
export function oldestOf(batches: readonly ApiBatch[]): ApiBatch {
  const alive = batches.filter((batch) => batch.status !== 'failed');
  return (alive.length > 0 ? alive : batches).reduce((oldest, batch) =>
    batch.createdAt < oldest.createdAt ? batch : oldest,
  );
}
