import type { ApiBatch } from '../../openai/api-batch.ts';
import { isAccountRefused, isFinal } from '../../openai/failure.ts';
import { asRead } from '../../openai/find-batch.ts';
import type { Store } from '../../store/store.ts';
import type { Dependencies } from '../step/dependencies.ts';
import type { WatchedBatch } from './batch-reading.ts';
import { isOfThisStore, readDuplicates, readEarlierBatches, recordDuplicate } from './duplicate-batches.ts';
import type { BatchReader, UntrackedBatch } from './read-batches.ts';

type ReadBatch = BatchReader['read'];

/**
 * Returns the duplicates of a watched batch: recorded ones, and listed ones with the shard's key or, if the server drops
 * metadata, the same file. Each is read individually, because a list of summaries shows neither.
 */
export async function findDuplicates(
  deps: Dependencies,
  job: string,
  watched: WatchedBatch,
  batch: ApiBatch | null,
  untracked: readonly UntrackedBatch[],
  read: ReadBatch,
): Promise<ApiBatch[]> {
  const found = new Map<string, ApiBatch>();
  for (const { batch: listed, key } of untracked) {
    if (listed.id === watched.batchId) continue;
    const ofShard = key !== null && key.shard === watched.shard && key.batch === watched.batch;
    const ofFile = key === null && Boolean(listed.inputFileId) && listed.inputFileId === batch?.inputFileId;
    if (!ofShard && !ofFile) continue;
    const other = await asRead(listed, read);
    if (ofFile && !(await isOfSameFile(deps.store, job, watched, batch, other, read))) continue;
    if (key !== null && !(await isOfThisStore(deps.store, job, key, other))) continue;
    found.set(other.id, other);
    await recordDuplicate(deps, job, watched, other.id);
  }
  for (const id of await readDuplicates(deps.store, job, watched)) {
    const known = found.get(id) ?? (await readDuplicate(id, read));
    if (known !== null) found.set(id, known);
  }
  return [...found.values()];
}

/** Returns null also if the API refuses for good to show it. */
async function readDuplicate(batchId: string, read: ReadBatch): Promise<ApiBatch | null> {
  try {
    return await read(batchId);
  } catch (error) {
    if (isFinal(error) && !isAccountRefused(error)) return null;
    throw error;
  }
}

/** True if the other batch was created later from the same file, on a server that drops metadata. */
async function isOfSameFile(
  store: Store,
  job: string,
  watched: WatchedBatch,
  listed: ApiBatch,
  other: ApiBatch,
  read: ReadBatch,
): Promise<boolean> {
  if (other.metadata?.key !== undefined) return false;
  const batch = await asRead(listed, read);
  if (batch.metadata?.key !== undefined || !(other.createdAt >= batch.createdAt)) return false;
  return !(await readEarlierBatches(store, job, watched)).includes(other.id);
}
