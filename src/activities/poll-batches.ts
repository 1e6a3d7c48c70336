import { setTimeout as sleep } from 'node:timers/promises';
import type OpenAI from 'openai';
import {
  type BatchErrorEntry,
  type BatchRefusal,
  type BatchStatus,
  isTerminal,
  parseBatchStatus,
  refusalOf,
} from '../core/batch-status.ts';
import { shardFiles } from '../store/job-files.ts';
import { claimRecord } from '../store/store.ts';
import type { Dependencies } from './dependencies.ts';
import { sweepBatches } from './find-batch.ts';
import { whileBeating } from './heartbeat.ts';
import { callApi, isNotFound, notTheApi } from './openai-failure.ts';

/** A batch in flight. */
export interface WatchedBatch {
  readonly shard: string;
  readonly batch: number;
  readonly batchId: string;
}

export interface PollRequest {
  readonly job: string;
  readonly batches: readonly WatchedBatch[];
  /** A sleep too short for a timer of the server, slept here; under a second. */
  readonly afterMs: number;
}

/** What a poll saw of one batch. */
export interface BatchSight {
  readonly batchId: string;
  /** `missing`: the API does not know the batch (a wrong key, another account, or list lag). */
  readonly status: BatchStatus | 'missing';
  /** The API's own counts: for progress only, never to decide anything. */
  readonly completed: number;
  readonly failed: number;
  /** Why a `failed` batch was refused as a whole, where that decides what to do; null otherwise. */
  readonly refusal: BatchRefusal | null;
}

/** What is kept of a batch that has ended. */
export interface EndedRecord {
  readonly batchId: string;
  readonly status: BatchStatus;
  readonly outputFileId: string | null;
  readonly errorFileId: string | null;
  readonly completed: number;
  readonly errors: readonly BatchErrorEntry[];
}

/** From this many on, one sweep of the list is cheaper than single reads. */
const SWEEP_FROM = 3;

/** Batches are created over hours at most; the list is read this far beyond the pages that ours would fill. */
const EXTRA_PAGES = 5;

/**
 * Reads the state of all batches in flight, in one sweep of the list where there are several.
 * Safe twice: it only reads, and the record of an ended batch is written once.
 */
export async function pollBatches(
  { api, store }: Dependencies,
  { job, batches, afterMs }: PollRequest,
): Promise<BatchSight[]> {
  return await whileBeating(async (signal) => {
    if (afterMs > 0) await sleep(afterMs, undefined, { signal });
    const seen = new Map<string, OpenAI.Batch>();
    if (batches.length >= SWEEP_FROM) {
      const wanted = new Set(batches.map(({ batchId }) => batchId));
      let left = (Math.ceil(wanted.size / 100) + EXTRA_PAGES) * 100;
      await sweepBatches(api, signal, (batch) => {
        if (wanted.delete(batch.id)) seen.set(batch.id, batch);
        left -= 1;
        return wanted.size === 0 || left <= 0 ? 'stop' : 'go on';
      });
    }
    const sights: BatchSight[] = [];
    for (const watched of batches) {
      const batch = seen.get(watched.batchId) ?? (await retrieve(api, watched.batchId, signal));
      sights.push(batch === null ? missing(watched.batchId) : await look(store, job, watched, batch));
    }
    return sights;
  });
}

async function retrieve(api: OpenAI, batchId: string, signal: AbortSignal): Promise<OpenAI.Batch | null> {
  try {
    const batch = await api.batches.retrieve(batchId, { signal });
    if (batch?.id !== batchId) throw notTheApi('GET /batches/{id}');
    return batch;
  } catch (error) {
    if (isNotFound(error)) return null;
    return await callApi('GET /batches/{id}', () => Promise.reject(error));
  }
}

async function look(
  store: Dependencies['store'],
  job: string,
  watched: WatchedBatch,
  batch: OpenAI.Batch,
): Promise<BatchSight> {
  const ended = toEndedRecord(batch);
  if (isTerminal(ended.status)) {
    await claimRecord(store, shardFiles.ended(job, watched.shard, watched.batch), ended);
  }
  return {
    batchId: watched.batchId,
    status: ended.status,
    completed: ended.completed,
    failed: batch.request_counts?.failed ?? 0,
    refusal: ended.status === 'failed' ? refusalOf(ended.errors) : null,
  };
}

/** The parts of a batch object that decide something, in the forms that servers are known to send. */
export function toEndedRecord(batch: OpenAI.Batch): EndedRecord {
  const list = Array.isArray(batch.errors)
    ? (batch.errors as OpenAI.BatchError[])
    : (batch.errors?.data ?? []);
  return {
    batchId: batch.id,
    status: parseBatchStatus(batch.status),
    // Absent files are null, missing or "" on the wire.
    outputFileId: batch.output_file_id || null,
    errorFileId: batch.error_file_id || null,
    completed: batch.request_counts?.completed ?? 0,
    errors: list.map(({ code, message, param, line }) => ({
      code: code ?? 'unknown',
      message: message ?? '',
      param: param ?? null,
      line: line ?? null,
    })),
  };
}

function missing(batchId: string): BatchSight {
  return { batchId, status: 'missing', completed: 0, failed: 0, refusal: null };
}
