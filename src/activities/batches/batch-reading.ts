import { ApplicationFailure } from '@temporalio/common';
import { type BatchRefusal, type BatchStatus, isTerminal } from '../../core/batch-status.ts';
import type { ApiBatch } from '../../openai/api-batch.ts';
import { refusalOf } from '../../openai/batch-refusal.ts';
import { shardFiles } from '../../store/job-files.ts';
import { claimRecord, readRecord, type Store } from '../../store/store.ts';
import type { Dependencies } from '../step/dependencies.ts';
import { cancelAll } from './cancel-all.ts';
import { oldestOf } from './duplicate-batches.ts';
import { toEndedRecord, type EndedRecord } from './ended-record.ts';

/** A batch in flight. */
export interface WatchedBatch {
  readonly shard: string;
  readonly batch: number;
  readonly batchId: string;
}

/** What a poll read of one batch. */
export interface BatchReading {
  readonly batchId: string;
  /** `missing`: the API does not know the batch, or refuses to show it (a wrong key, another account, or a lag). */
  readonly status: BatchStatus | 'missing';
  /** The API's own counts: for progress only, never to decide anything. */
  readonly completed: number;
  readonly failed: number;
  /** How long the API gives the batch, in ms by its own clock; null when it does not say. */
  readonly windowMs: number | null;
  /** Batches that were created on top of this one, and cancelled. */
  readonly duplicates?: number;
  /** Why a `failed` batch was refused as a whole, where that decides what to do; null otherwise. */
  readonly refusal: BatchRefusal | null;
  /** The server's own status, where it is not known here. */
  readonly unknownStatus?: string;
}

/** The batch's end from the store; null while it has none. The API deletes batches, and a job may be started again later. */
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
    refusal: status === 'failed' ? refusalOf(errors) : null,
    ...(duplicates.length === 0 ? {} : { duplicates: duplicates.length }),
  };
}

/** Batches that are all meant to be one: the oldest stays, the others are cancelled, and all are waited for. */
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
    // Tried again by the next poll; until all have ended, the batch has not.
    if (signal.aborted || !(error instanceof ApplicationFailure)) throw error;
  });
  const duplicates = others.map(toEndedRecord);
  const waiting = duplicates.some(({ status }) => !isTerminal(status));
  const reading = await recordReading(deps, job, watched, kept, waiting ? 'going on' : duplicates);
  return { ...reading, duplicates: others.length };
}

/** The reading of a batch; records its end. */
export async function recordReading(
  { store, observer }: Dependencies,
  job: string,
  watched: WatchedBatch,
  batch: ApiBatch,
  duplicates: 'going on' | readonly EndedRecord[] = [],
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
  // What its duplicates answer decides about its lines, too: it has not ended before them.
  if (duplicates === 'going on') return { ...reading, status: 'finalizing' };
  const record = duplicates.length === 0 ? ended : { ...ended, duplicates };
  const { shard, batch: number, batchId } = watched;
  const { first } = await claimRecord(store, shardFiles.ended(job, shard, number), record);
  const refusal = ended.status === 'failed' ? refusalOf(ended.errors) : null;
  if (first) observer?.onBatchEnded({ job, shard, batch: number, batchId, status: ended.status, refusal });
  return { ...reading, refusal };
}

/** The reading of a batch that the API does not know. */
export function missing(batchId: string): BatchReading {
  return { batchId, status: 'missing', completed: 0, failed: 0, windowMs: null, refusal: null };
}
