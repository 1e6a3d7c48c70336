import { activityInfo } from '@temporalio/activity';
import type { ShardManifest } from '../core/shard-plan.ts';
import type { ApiBatch } from '../openai/api-batch.ts';
import { isRefusal } from '../openai/failure.ts';
import { batchKey } from '../openai/batch-metadata.ts';
import { jobInstance } from '../store/job-api.ts';
import { shardFiles } from '../store/job-files.ts';
import { claimRecord, readRecord } from '../store/store.ts';
import { keepBatch, type BatchRecord, type JobBatchRef } from './batches/batch-record.ts';
import { cancelAll } from './batches/cancel-all.ts';
import { recordDuplicate } from './batches/duplicate-batches.ts';
import { searchBatch, type Intent } from './batches/search-batch.ts';
import type { Dependencies } from './step/dependencies.ts';
import { withHeartbeat } from './step/heartbeat.ts';

/** The n-th batch of a shard: a shard gets another one only when the API refused the one before as a whole. */
export interface CreateRequest extends JobBatchRef {
  readonly fileId: string;
}

/** The cancel of a surplus batch has a timeout of its own, because the signal of its attempt may be aborted by then. */
const CANCEL_MS = 60_000;

/**
 * Creates the batch of a shard, at most once.
 *
 * Safe twice: a batch on record is returned. An intent is recorded before each POST. Unless all earlier POSTs are known to have
 * been refused, the account's batches are searched for the shard's key first, and a batch that is found is adopted. If an
 * attempt dies
 * - before its intent, it has done nothing;
 * - between intent and POST, the next one searches, finds nothing and creates the batch;
 * - between POST and record, the next one searches and adopts the batch.
 */
export async function createBatch(deps: Dependencies, request: CreateRequest): Promise<BatchRecord> {
  const { api, store } = deps;
  const { job, shard, batch, fileId } = request;
  const known = await readRecord<BatchRecord>(store, shardFiles.batch(job, shard, batch));
  if (known !== null) return known;

  return await withHeartbeat(async (signal) => {
    const { post, found } = await searchBatch(deps, request, signal);
    if (found !== null) return found;

    const manifest = (await readRecord<ShardManifest>(store, shardFiles.manifest(job, shard)))!;
    const instance = (await jobInstance(store, job))!;
    const intentAt = Date.now();
    const { first } = await claimRecord<Intent>(store, shardFiles.intent(job, shard, batch, post), {
      at: intentAt,
    });
    // Another attempt of this activity has written the same intent and may be about to POST: start again with a search.
    if (!first)
      throw new Error(
        `Another attempt is creating the batch of shard ${shard}: the step is retried with a search.`,
      );
    let created: ApiBatch;
    try {
      // An attempt that was suspended (a paused process) for this long may have timed out, and another one may have started.
      if (Date.now() - intentAt > (activityInfo().heartbeatTimeoutMs ?? 20_000))
        throw new Error(
          `This attempt was suspended before it created the batch of shard ${shard}: the step is retried with a search.`,
        );
      const metadata = { key: batchKey(job, request), job, instance };
      created = await api.postBatch({ fileId, endpoint: manifest.endpoint, metadata });
    } catch (error) {
      if (isRefusal(error))
        await store.claim(shardFiles.refusal(job, shard, batch, post), JSON.stringify({ at: Date.now() }));
      throw error;
    }
    const kept = await keepBatch(deps, request, created, false);
    if (kept.batchId !== created.id) await cancelSurplus(deps, request, created, kept);
    return kept;
  });
}

/**
 * Handles a POST that was sent late: another attempt had searched, found nothing and created the batch on record. The older of the
 * two is kept, as in a poll, which finds both by their key if this attempt dies here.
 */
async function cancelSurplus(
  deps: Dependencies,
  { job, shard, batch }: JobBatchRef,
  created: ApiBatch,
  kept: BatchRecord,
): Promise<void> {
  await recordDuplicate(deps, job, { shard, batch }, created.id);
  if (created.createdAt >= kept.createdAt)
    await cancelAll(deps.api, [created], AbortSignal.timeout(CANCEL_MS));
}
