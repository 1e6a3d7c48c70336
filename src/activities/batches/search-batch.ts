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
import { keepBatch, type BatchRecord, type BatchRef } from './batch-record.ts';
import { readEarlierBatches, readUploads } from './duplicate-batches.ts';

/** A POST that is about to be sent. */
export interface Intent {
  /** Milliseconds since 1970, by this machine's clock. */
  readonly at: number;
}

/**
 * The waits between searches in vain for the batch of a doubtful POST, which the list may not show yet (unverified for
 * OpenAI: 30 s and then 60 s are generous). The server waits, by failing the attempt: nobody holds a worker's slot meanwhile.
 */
const listLagMs = [30_000, 60_000] as const;

/** When a search was in vain, in ms since 1970. */
interface VainSearch {
  /** By the server's clock, which workers have in common; an attempt that waited for its worker came later. */
  readonly dueAt: number;
  /** By the clock of the machine that searched. */
  readonly at: number;
}

/**
 * The number of the shard's next POST, and the batch that an earlier one has created, if there is any: it is looked for
 * where the API has not refused them all, and kept as the shard's.
 * @throws ApplicationFailure `BatchNotListed` (try again) until it has been looked for in vain three times, over 90 s;
 * `OtherApi` when this worker's key is of another project
 */
export async function searchBatch(
  deps: Dependencies,
  request: BatchRef,
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
  // The batch in doubt lives where its file does: only there a search in vain says something.
  const fileId = fileIds.at(-1);
  if (fileId !== undefined) await assertSeesUpload(deps, request.job, fileId, signal);
  await countSearch(deps, request, post);
  return { post, found: null };
}

/** Notes a search in vain; returns when there have been enough of them, far enough apart. */
async function countSearch(
  { store, patience }: Dependencies,
  { job, shard, batch }: BatchRef,
  post: number,
): Promise<void> {
  const now: VainSearch = { dueAt: activityInfo().currentAttemptScheduledTimestampMs, at: Date.now() };
  let leftMs = 0;
  for (const [index, lag] of listLagMs.entries()) {
    const key = shardFiles.searched(job, shard, batch, post, index + 1);
    const before = await readRecord<VainSearch>(store, key);
    if (before === null && leftMs <= 0) {
      await claimRecord<VainSearch>(store, key, now);
      throw notListed(shard, lag * patience);
    }
    if (before === null) break;
    // The later of the two clocks decides: neither can say that enough time has passed when it has not.
    const passedMs = Math.min(now.dueAt - before.dueAt, now.at - before.at);
    leftMs = Math.min(lag * patience, lag * patience - passedMs);
  }
  if (leftMs > 0) throw notListed(shard, leftMs);
}

function notListed(shard: string, waitMs: number): ApplicationFailure {
  return ApplicationFailure.create({
    type: FailureType.BatchNotListed,
    message: `The API's list does not show a batch of shard ${shard}, which may have been created: it is looked for again, for 90 s, before another one is created.`,
    nextRetryDelay: Math.max(1, waitMs),
  });
}

/** The number of the next POST, and since when an earlier one may have created a batch. */
async function readIntents(
  store: Store,
  { job, shard, batch }: BatchRef,
): Promise<{ post: number; doubtfulSince: number | null }> {
  let doubtfulSince: number | null = null;
  for (let post = 1; ; post += 1) {
    const intent = await readRecord<Intent>(store, shardFiles.intent(job, shard, batch, post));
    if (intent === null) return { post, doubtfulSince };
    const refused = await store.read(shardFiles.refusal(job, shard, batch, post));
    if (refused === null) doubtfulSince ??= intent.at;
  }
}

/** Since when a POST for this batch may have created it without a record of that; null when none has. */
export async function doubtfulSince(store: Store, request: BatchRef): Promise<number | null> {
  return (await readIntents(store, request)).doubtfulSince;
}
