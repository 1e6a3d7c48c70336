import { activityInfo } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { FailureType } from '../../core/failure.ts';
import { batchKey } from '../../openai/batch-metadata.ts';
import { findBatch } from '../../openai/find-batch.ts';
import { jobInstance } from '../../store/job-api.ts';
import { shardFiles } from '../../store/job-files.ts';
import { claimRecord, readRecord, type Store } from '../../store/store.ts';
import type { Dependencies } from '../step/dependencies.ts';
import { assertSeesUpload } from '../step/right-worker.ts';
import { keepBatch, type BatchRecord, type JobBatchRef } from './batch-record.ts';
import { readEarlierBatches, readUploads } from './duplicate-batches.ts';

/** Recorded before each POST that creates a batch. */
export interface Intent {
  /** Milliseconds since 1970, by this machine's clock. */
  readonly at: number;
}

/**
 * The waits between searches that find no batch of a POST in doubt, because the list may not show it yet (unverified for
 * OpenAI: 30 s and then 60 s are generous). The attempt fails and Temporal waits, so no worker slot is held meanwhile.
 */
const listLagMs = [30_000, 60_000] as const;

/** The time of a search that found no batch, in ms since 1970. */
interface EmptySearch {
  /** When the attempt was scheduled, by the server's clock, which all workers share; it may have started later. */
  readonly dueAt: number;
  /** By the clock of the machine that searched. */
  readonly at: number;
}

/**
 * Returns the number of the next POST, and the batch that an earlier POST has created, if any. The account's batches are searched
 * unless the API has refused all earlier POSTs, and a batch that is found is recorded as the shard's.
 * @throws ApplicationFailure `BatchNotListed` (retryable) until three searches over 90 s have found nothing; `OtherApi` if this
 * worker's key belongs to another project
 */
export async function searchBatch(
  deps: Dependencies,
  request: JobBatchRef,
  signal: AbortSignal,
): Promise<{ post: number; found: BatchRecord | null }> {
  const { api, store } = deps;
  const { post, doubtfulSince } = await readIntents(store, request);
  if (doubtfulSince === null) return { post, found: null };
  const fileIds = await readUploads(store, request.job, request.shard);
  const wanted = {
    key: batchKey(request.job, request),
    instance: await jobInstance(store, request.job),
    fileIds,
    notBefore: doubtfulSince,
    known: await readEarlierBatches(store, request.job, request),
  };
  const found = await findBatch(api, wanted, signal);
  if (found !== null) return { post, found: await keepBatch(deps, request, found, true) };
  // A batch is in the project of its file: only a key of that project can show that there is none.
  const fileId = fileIds.at(-1);
  if (fileId !== undefined) await assertSeesUpload(deps, request.job, fileId, signal);
  await countSearch(deps, request, post);
  return { post, found: null };
}

/** Records a search that found nothing; returns if there have been enough of them, far enough apart. */
async function countSearch(
  { store, patience }: Dependencies,
  { job, shard, batch }: JobBatchRef,
  post: number,
): Promise<void> {
  const now: EmptySearch = { dueAt: activityInfo().currentAttemptScheduledTimestampMs, at: Date.now() };
  let leftMs = 0;
  for (const [index, lag] of listLagMs.entries()) {
    const key = shardFiles.searched(job, shard, batch, post, index + 1);
    const before = await readRecord<EmptySearch>(store, key);
    if (before === null && leftMs <= 0) {
      await claimRecord<EmptySearch>(store, key, now);
      throw notListed(shard, lag * patience);
    }
    if (before === null) break;
    // The smaller difference of the two clocks counts, so a wrong clock cannot shorten the wait.
    const passedMs = Math.min(now.dueAt - before.dueAt, now.at - before.at);
    leftMs = Math.min(lag * patience, lag * patience - passedMs);
  }
  if (leftMs > 0) throw notListed(shard, leftMs);
}

function notListed(shard: string, waitMs: number): ApplicationFailure {
  return ApplicationFailure.create({
    type: FailureType.BatchNotListed,
    message: `The API's list does not show a batch of shard ${shard}, which may have been created: searches continue for 90 s before another one is created.`,
    nextRetryDelay: Math.max(1, waitMs),
  });
}

/** Returns the number of the next POST, and since when an earlier one may have created a batch. */
async function readIntents(
  store: Store,
  { job, shard, batch }: JobBatchRef,
): Promise<{ post: number; doubtfulSince: number | null }> {
  let doubtfulSince: number | null = null;
  for (let post = 1; ; post += 1) {
    const intent = await readRecord<Intent>(store, shardFiles.intent(job, shard, batch, post));
    if (intent === null) return { post, doubtfulSince };
    const refused = await store.read(shardFiles.refusal(job, shard, batch, post));
    if (refused === null) doubtfulSince ??= intent.at;
  }
}

/** Returns since when a POST may have created this batch without a record; null if none has. */
export async function doubtfulSince(store: Store, request: JobBatchRef): Promise<number | null> {
  return (await readIntents(store, request)).doubtfulSince;
}
