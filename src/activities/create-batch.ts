import { activityInfo } from '@temporalio/activity';
import type { ShardManifest } from '../core/shard-plan.ts';
import type { ApiBatch } from '../openai/api-batch.ts';
import { isRefusal } from '../openai/failure.ts';
import { batchKey } from '../openai/batch-metadata.ts';
import { jobInstance } from '../store/job-api.ts';
import { shardFiles } from '../store/job-files.ts';
import { claimRecord, readRecord } from '../store/store.ts';
import { keepBatch, type BatchRecord, type BatchRef } from './batches/batch-record.ts';
import { cancelAll } from './batches/cancel-all.ts';
import { noteDuplicate } from './batches/duplicate-batches.ts';
import { searchBatch, type Intent } from './batches/search-batch.ts';
import type { Dependencies } from './step/dependencies.ts';
import { whileBeating } from './step/heartbeat.ts';

/** The n-th batch of a shard: a shard gets another one only when the API refused the one before as a whole. */
export interface CreateRequest extends BatchRef {
  readonly fileId: string;
}

/** The cancel of a batch that is one too many is not cut off with its attempt, which is given up by then. */
const UNDO_MS = 60_000;

/**
 * Creates the batch of a shard, at most once.
 *
 * Safe twice: a batch on record is returned. Before every POST an intent of its own is written; a POST whose
 * predecessors are not all known to have been refused is preceded by a search of the account's batches for the
 * shard's key, and the batch found is adopted. So an attempt that dies
 * - before its intent: has done nothing;
 * - between intent and POST: the next one searches, finds nothing, creates;
 * - between POST and record: the next one searches and adopts.
 */
export async function createBatch(deps: Dependencies, request: CreateRequest): Promise<BatchRecord> {
  const { api, store } = deps;
  const { job, shard, batch, fileId } = request;
  const known = await readRecord<BatchRecord>(store, shardFiles.batch(job, shard, batch));
  if (known !== null) return known;

  return await whileBeating(async (signal) => {
    const { post, found } = await searchBatch(deps, request, signal);
    if (found !== null) return found;

    const manifest = (await readRecord<ShardManifest>(store, shardFiles.manifest(job, shard)))!;
    const instance = (await jobInstance(store, job))!;
    const intentAt = Date.now();
    const { first } = await claimRecord<Intent>(store, shardFiles.intent(job, shard, batch, post), {
      at: intentAt,
    });
    // Another attempt of this activity has written the same intent: it may be about to POST. Begin anew, with a search.
    if (!first)
      throw new Error(`Another attempt creates the batch of shard ${shard}: retried automatically.`);
    let created: ApiBatch;
    try {
      // An attempt that stood still (a paused process) for so long may have been given up: another one may have begun.
      if (Date.now() - intentAt > (activityInfo().heartbeatTimeoutMs ?? 20_000))
        throw new Error(
          `This attempt was stopped before it created the batch of shard ${shard}: retried automatically.`,
        );
      const metadata = { key: batchKey(job, request), job, instance };
      created = await api.postBatch({ fileId, endpoint: manifest.endpoint, metadata });
    } catch (error) {
      if (isRefusal(error))
        await store.claim(shardFiles.refusal(job, shard, batch, post), JSON.stringify({ at: Date.now() }));
      throw error;
    }
    const kept = await keepBatch(deps, request, created, false);
    if (kept.batchId !== created.id) await undo(deps, request, created, kept);
    return kept;
  });
}

/**
 * This POST came after another attempt had given it up, searched in vain and created the batch on record: its own batch is
 * one too many. Of two the older stays, as at the poll, which finds both by their key if this dies here.
 */
async function undo(
  deps: Dependencies,
  { job, shard, batch }: BatchRef,
  created: ApiBatch,
  kept: BatchRecord,
): Promise<void> {
  await noteDuplicate(deps, job, { shard, batch }, created.id);
  if (created.createdAt >= kept.createdAt) await cancelAll(deps.api, [created], AbortSignal.timeout(UNDO_MS));
}
