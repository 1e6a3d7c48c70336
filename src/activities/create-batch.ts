import { activityInfo } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { FailureType } from '../core/failure.ts';
import type { ShardManifest } from '../core/shard-plan.ts';
import type { ApiBatch } from '../openai/api-batch.ts';
import { isRefusal } from '../openai/failure.ts';
import { findBatch } from '../openai/find-batch.ts';
import { batchKey } from '../openai/batch-metadata.ts';
import { jobInstance } from '../store/job-api.ts';
import { shardFiles } from '../store/job-files.ts';
import { claimRecord, readRecord, type Store } from '../store/store.ts';
import type { BatchRecord } from './batch-record.ts';
import { cancelAll } from './cancel-batch.ts';
import type { Dependencies } from './dependencies.ts';
import { noteDuplicate, readUploads } from './duplicate-batches.ts';
import { whileBeating } from './heartbeat.ts';
import { assertSeesUpload } from './right-worker.ts';

/** The n-th batch of a shard: a shard gets another one only when the API refused the one before as a whole. */
export interface CreateRequest {
  readonly job: string;
  readonly shard: string;
  readonly batch: number;
  readonly fileId: string;
}

interface Intent {
  /** Milliseconds since 1970, by this machine's clock. */
  readonly at: number;
}

/** The cancel of a batch that is one too many is not cut off with its attempt, which is given up by then. */
const UNDO_MS = 60_000;

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
    const kept = await keep(deps, request, created, false);
    if (kept.batchId !== created.id) await undo(deps, request, created, kept);
    return kept;
  });
}

/**
 * The number of the shard's next POST, and the batch that an earlier one has created, if there is any: it is looked for
 * where the API has not refused them all, and kept as the shard's.
 * @throws ApplicationFailure `BatchNotListed` (try again) until it has been looked for in vain three times, over 90 s;
 * `OtherApi` when this worker's key is of another project
 */
export async function searchBatch(
  deps: Dependencies,
  request: Omit<CreateRequest, 'fileId'>,
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
    known: await earlierBatches(store, request),
  };
  const found = await findBatch(api, wanted, signal);
  if (found !== null) return { post, found: await keep(deps, request, found, true) };
  // The batch in doubt lives where its file does: only there a search in vain says something.
  const fileId = fileIds.at(-1);
  if (fileId !== undefined) await assertSeesUpload(deps, request.job, fileId, signal);
  await countSearch(deps, request, post);
  return { post, found: null };
}

/** Notes a search in vain; returns when there have been enough of them, far enough apart. */
async function countSearch(
  { store, patience }: Dependencies,
  { job, shard, batch }: Omit<CreateRequest, 'fileId'>,
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

async function keep(
  { store, observer }: Dependencies,
  { job, shard, batch }: Pick<CreateRequest, 'job' | 'shard' | 'batch'>,
  found: ApiBatch,
  adopted: boolean,
): Promise<BatchRecord> {
  const { record, first } = await claimRecord<BatchRecord>(store, shardFiles.batch(job, shard, batch), {
    batchId: found.id,
    createdAt: found.createdAt,
    adopted,
  });
  if (first && observer !== undefined) {
    const { model, lines } = (await readRecord<ShardManifest>(store, shardFiles.manifest(job, shard)))!;
    observer.onBatchCreated({ job, shard, batch, batchId: record.batchId, model, lines, adopted });
  }
  return record;
}

/**
 * This POST came after another attempt had given it up, searched in vain and created the batch on record: its own batch is
 * one too many. Of two the older stays, as at the poll, which finds both by their key if this dies here.
 */
async function undo(
  deps: Dependencies,
  { job, shard, batch }: Pick<CreateRequest, 'job' | 'shard' | 'batch'>,
  created: ApiBatch,
  kept: BatchRecord,
): Promise<void> {
  await noteDuplicate(deps, job, { shard, batch }, created.id);
  if (created.createdAt >= kept.createdAt) await cancelAll(deps.api, [created], AbortSignal.timeout(UNDO_MS));
}

/** The number of the next POST, and since when an earlier one may have created a batch. */
async function readIntents(
  store: Dependencies['store'],
  { job, shard, batch }: Omit<CreateRequest, 'fileId'>,
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
export async function doubtfulSince(
  store: Store,
  request: Omit<CreateRequest, 'fileId'>,
): Promise<number | null> {
  return (await readIntents(store, request)).doubtfulSince;
}

async function earlierBatches(
  store: Dependencies['store'],
  { job, shard, batch }: Omit<CreateRequest, 'fileId'>,
): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 1; n < batch; n += 1) {
    const record = await readRecord<BatchRecord>(store, shardFiles.batch(job, shard, n));
    if (record !== null) ids.push(record.batchId);
  }
  return ids;
}
