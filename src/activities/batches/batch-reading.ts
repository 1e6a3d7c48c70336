import { ApplicationFailure } from '@temporalio/common';
import type { BatchRef } from '../../core/batch-groups.ts';
import {
  type BatchErrorEntry,
  type BatchRefusal,
  type BatchStatus,
  isTerminal,
} from '../../core/batch-status.ts';
import type { ApiBatch } from '../../openai/api-batch.ts';
import { refusalOf, statedTokenLimit } from '../../openai/batch-refusal.ts';
import { shardFiles } from '../../store/job-files.ts';
import { claimRecord, readRecord, type Store } from '../../store/store.ts';
import type { Dependencies } from '../step/dependencies.ts';
import { cancelAll } from './cancel-all.ts';
import { oldestOf } from './duplicate-batches.ts';
import { toEndedRecord, type EndedRecord } from './ended-record.ts';

/** A batch in flight. */
export interface WatchedBatch extends BatchRef {
  readonly batchId: string;
}

/** The result of a poll for one batch. */
export interface BatchReading {
  readonly batchId: string;
  /** `missing`: the API does not know the batch, or refuses to show it (a wrong key, another account, or a lag). */
  readonly status: BatchStatus | 'missing';
  /** The API's counts; only for progress, no decision uses them. */
  readonly completed: number;
  readonly failed: number;
  /** The completion window of the batch in ms, by the API's clock; null if the API does not show it. */
  readonly windowMs: number | null;
  /** Duplicates of this batch, which were cancelled. */
  readonly duplicates?: number;
  /** Why a `failed` batch was refused as a whole, if that decides the next step; null otherwise. */
  readonly refusal: BatchRefusal | null;
  /** The limit of enqueued tokens that the message of a refusal names; absent if it names none. */
  readonly tokenLimit?: number;
  /** The server's status, if it is not a known one. */
  readonly unknownStatus?: string;
}

/** Reads the recorded end of a batch; null if it has none. The API deletes batches, and a job may be started again later. */
export async function readEndedBatch(
  store: Store,
  job: string,
  { shard, batch, batchId }: WatchedBatch,
): Promise<BatchReading | null> {
  const record = await readRecord<EndedRecord>(store, shardFiles.ended(job, shard, batch));
  if (record === null) return null;
  const { status, completed, errors, duplicates = [] } = record;
  return {
    batchId,
    status,
    completed,
    failed: 0,
    windowMs: null,
    ...refusalIn(status, errors),
    ...(duplicates.length === 0 ? {} : { duplicates: duplicates.length }),
  };
}

/** The reading of a batch with duplicates: the oldest is kept, the others are cancelled, and all must have ended. */
export async function readGroup(
  deps: Dependencies,
  job: string,
  watched: WatchedBatch,
  group: readonly ApiBatch[],
  signal: AbortSignal,
): Promise<BatchReading> {
  const kept = oldestOf(group);
  const others = group.filter((batch) => batch !== kept);
  await cancelAll(deps.api, others, signal).catch((error: unknown) => {
    // The next poll retries it; the batch has not ended before all of them have.
    if (signal.aborted || !(error instanceof ApplicationFailure)) throw error;
  });
  const duplicates = others.map(toEndedRecord);
  const isWaiting = duplicates.some(({ status }) => !isTerminal(status));
  const reading = await recordReading(deps, job, watched, kept, isWaiting ? 'running' : duplicates);
  return { ...reading, duplicates: others.length };
}

/** Returns the reading of a batch, and records its end. */
export async function recordReading(
  { store, observer }: Dependencies,
  job: string,
  watched: WatchedBatch,
  batch: ApiBatch,
  duplicates: 'running' | readonly EndedRecord[] = [],
): Promise<BatchReading> {
  const ended = toEndedRecord(batch);
  const { status, unknownStatus, counts, windowMs } = batch;
  const reading = {
    batchId: watched.batchId,
    status,
    completed: counts.completed,
    failed: counts.failed,
    windowMs,
    refusal: null,
    ...(unknownStatus === null ? {} : { unknownStatus }),
  };
  if (!isTerminal(ended.status)) return reading;
  // The answers of its duplicates count for its lines too, so it has not ended before them.
  if (duplicates === 'running') return { ...reading, status: 'finalizing' };
  const record = duplicates.length === 0 ? ended : { ...ended, duplicates };
  const { shard, batch: number, batchId } = watched;
  const { first } = await claimRecord(store, shardFiles.ended(job, shard, number), record);
  const { refusal, ...stated } = refusalIn(ended.status, ended.errors);
  if (first) observer?.onBatchEnded({ job, shard, batch: number, batchId, status: ended.status, refusal });
  return { ...reading, refusal, ...stated };
}

/** Why a batch with this end was refused as a whole. */
function refusalIn(
  status: BatchStatus,
  errors: readonly BatchErrorEntry[],
): Pick<BatchReading, 'refusal' | 'tokenLimit'> {
  const refusal = status === 'failed' ? refusalOf(errors) : null;
  const tokenLimit = refusal === 'token_limit' ? statedTokenLimit(errors) : null;
  return { refusal, ...(tokenLimit === null ? {} : { tokenLimit }) };
}

/** The reading of a batch that the API does not know. */
export function missingBatch(batchId: string): BatchReading {
  return { batchId, status: 'missing', completed: 0, failed: 0, windowMs: null, refusal: null };
}
