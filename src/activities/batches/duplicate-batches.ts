import type { ApiBatch } from '../../openai/api-batch.ts';
import type { BatchKey } from '../../openai/batch-metadata.ts';
import { shardFiles } from '../../store/job-files.ts';
import { readRecord, type Store } from '../../store/store.ts';
import type { BatchRecord } from './batch-record.ts';
import type { Dependencies } from '../step/dependencies.ts';

/** The duplicates of the batch on record, in the order in which they were found. */
interface DuplicatesRecord {
  readonly batchIds: readonly string[];
}

/** Returns the ids of the duplicates of a batch that have been found so far. */
export async function readDuplicates(
  store: Store,
  job: string,
  { shard, batch }: BatchKey,
): Promise<readonly string[]> {
  const record = await readRecord<DuplicatesRecord>(store, shardFiles.duplicates(job, shard, batch));
  return record?.batchIds ?? [];
}

/** Records a duplicate. If two attempts overwrite each other's record, the next poll finds it again. */
export async function recordDuplicate(
  { store, observer }: Pick<Dependencies, 'store' | 'observer'>,
  job: string,
  key: BatchKey,
  batchId: string,
): Promise<void> {
  const known = await readDuplicates(store, job, key);
  if (known.includes(batchId)) return;
  const record: DuplicatesRecord = { batchIds: [...known, batchId] };
  await store.replace(shardFiles.duplicates(job, key.shard, key.batch), JSON.stringify(record));
  observer?.onDuplicateFound({ job, shard: key.shard, batch: key.batch, batchId });
}

/**
 * True for a batch of this store's job: its metadata has the job's instance id, or it has none and its input is a file that
 * this job has uploaded.
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

/** Returns the ids of the uploaded files of a shard. */
export async function readUploads(store: Store, job: string, shard: string): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let n = 1; ; n += 1) {
    const record = await readRecord<{ fileId: string }>(store, shardFiles.upload(job, shard, n));
    if (record === null) return ids;
    ids.push(record.fileId);
  }
}

/** Returns the ids of the shard's batches before this one, which may have the same input file. */
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
 * True if a batch of this job is not the one on record: a second POST created it, for example by a process that was stopped
 * and resumed after another one had searched and found nothing. A batch without a record is still being created.
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
 * Returns which of several duplicates is kept: the oldest that has not failed, because it has made the most progress; of the
 * same second, the first in the array.
 */
export function oldestOf(batches: readonly ApiBatch[]): ApiBatch {
  const alive = batches.filter((batch) => batch.status !== 'failed');
  return (alive.length > 0 ? alive : batches).reduce((oldest, batch) =>
    batch.createdAt < oldest.createdAt ? batch : oldest,
  );
}
