import { setTimeout as sleep } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/common';
import type OpenAI from 'openai';
import {
  type BatchErrorEntry,
  type BatchRefusal,
  type BatchStatus,
  isTerminal,
  parseBatchStatus,
  refusalOf,
} from '../core/batch-status.ts';
import { FailureType } from '../core/failure.ts';
import { MAX_LIST_PAGE } from '../core/limits.ts';
import { jobInstance } from '../store/job-api.ts';
import { shardFiles } from '../store/job-files.ts';
import { claimRecord } from '../store/store.ts';
import type { Dependencies } from './dependencies.ts';
import { cancelAll } from './cancel-batch.ts';
import {
  isDuplicate,
  meantBy,
  noteDuplicate,
  oldestOf,
  readDuplicates,
  type MeantBatch,
} from './duplicate-batches.ts';
import { SHARD_KEY, sweepBatches } from './find-batch.ts';
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
  /** A sleep too short for a timer of the server, slept here before each look; under a second. */
  readonly afterMs: number;
}

/** A poll that sleeps itself looks again and again for so long, or until it has something to tell: each poll costs the server 11 events. */
const LOOKING_MS = 1_000;

/** What a poll saw of one batch. */
export interface BatchSight {
  readonly batchId: string;
  /** `missing`: the API does not know the batch (a wrong key, another account, or list lag). */
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
}

/** What is kept of a batch that has ended. */
export interface EndedRecord {
  readonly batchId: string;
  readonly status: BatchStatus;
  readonly outputFileId: string | null;
  readonly errorFileId: string | null;
  readonly completed: number;
  /** False when nothing says that a line of it ever ran: then it needs no files. */
  readonly ran: boolean;
  readonly errors: readonly BatchErrorEntry[];
  /** Others that were created on top of it and have ended, too: what they answered counts. */
  readonly duplicates?: readonly EndedRecord[];
  /** When it came to what, for the report; records of version 0.1 have none. */
  readonly times?: BatchTimes;
}

/** Seconds since 1970 by the API's clock; null where it does not say. */
interface BatchTimes {
  readonly inProgressAt: number | null;
  readonly finalizingAt: number | null;
  readonly endedAt: number | null;
}

/** The list is read this far beyond the pages that the wanted batches would fill: others' batches stand between them. */
const EXTRA_PAGES = 5;

/** For one or two batches single reads are as cheap; the list is then read for duplicates only, which are new. */
const FEW = 2;

/**
 * Reads the state of all batches in flight in one sweep of the list, and cancels batches that were created on top of
 * them or of earlier ones of the job. With a sleep of its own it goes on until it has something to tell, at most a second.
 * Safe twice: it reads; a cancel of a cancelled batch is accepted; the record of an ended batch is written once.
 */
export async function pollBatches(
  deps: Dependencies,
  { job, batches, afterMs }: PollRequest,
): Promise<BatchSight[]> {
  return await whileBeating(async (signal) => {
    const until = performance.now() + LOOKING_MS - afterMs;
    const instance = await jobInstance(deps.store, job);
    for (;;) {
      if (afterMs > 0) await sleep(afterMs, undefined, { signal });
      const { sights, isNews } = await lookAround(deps, job, instance, batches, signal);
      if (isNews || afterMs === 0 || performance.now() > until) return sights;
    }
  });
}

/** One look at all batches; news is what the workflow has to act on. */
async function lookAround(
  deps: Dependencies,
  job: string,
  instance: string | null,
  batches: readonly WatchedBatch[],
  signal: AbortSignal,
): Promise<{ sights: BatchSight[]; isNews: boolean }> {
  const begun = performance.now();
  const { seen, strangers } = await sweep(deps, job, instance, batches, signal);
  const sights: BatchSight[] = [];
  for (const watched of batches) {
    const batch = seen.get(watched.batchId) ?? (await retrieve(deps.api, watched.batchId, signal));
    const others = await duplicatesOf(deps, job, watched, batch, strangers, signal);
    if (batch === null && others.length === 0) sights.push(missing(watched.batchId));
    else if (others.length === 0) sights.push(await look(deps, job, watched, batch!));
    else
      sights.push(await lookAtAll(deps, job, watched, batch === null ? others : [batch, ...others], signal));
  }
  await cancelLateDuplicates(deps, job, batches, strangers, signal);
  const seconds = (performance.now() - begun) / 1_000;
  deps.observer?.onPolled({ job, batches: batches.length, seconds });
  // A batch that was created meanwhile wants to be watched as well.
  const isNews =
    sights.some(({ status }) => status === 'missing' || isTerminal(status)) ||
    strangers.some(({ batch, meant }) => meant !== null && !isTerminal(parseBatchStatus(batch.status)));
  return { sights, isNews };
}

/** A batch that is none of the watched ones. */
interface Stranger {
  readonly batch: OpenAI.Batch;
  /** Null for those that do not say whose they are. */
  readonly meant: MeantBatch | null;
}

/** The watched batches that the list shows, and those that may be on top: of this job, or without a word whose they are. */
async function sweep(
  { api }: Dependencies,
  job: string,
  instance: string | null,
  batches: readonly WatchedBatch[],
  signal: AbortSignal,
): Promise<{ seen: Map<string, OpenAI.Batch>; strangers: Stranger[] }> {
  const seen = new Map<string, OpenAI.Batch>();
  const strangers: Stranger[] = [];
  const wanted = new Set(batches.map(({ batchId }) => batchId));
  let left = wanted.size <= FEW ? MAX_LIST_PAGE : (Math.ceil(wanted.size / 100) + EXTRA_PAGES) * 100;
  const visits = sweepBatches(api, signal, (batch) => {
    const meant = meantBy(job, instance, batch);
    if (wanted.delete(batch.id)) seen.set(batch.id, batch);
    else if (meant !== null || batch.metadata?.[SHARD_KEY] === undefined) strangers.push({ batch, meant });
    left -= 1;
    // The rest of a page costs nothing, and may show a duplicate that is older than what is watched.
    const pageEnds = left % MAX_LIST_PAGE === 0;
    return left <= 0 || (wanted.size === 0 && pageEnds) ? 'stop' : 'go on';
  });
  // The list only saves calls: what a server without one does not show is read singly.
  await visits.catch((error: unknown) => {
    if (!isRequestRefused(error)) throw error;
  });
  return { seen, strangers };
}

/** The batches created on top of a watched one: known ones, and those that the list shows by the shard's key or, where servers drop it, by the file. */
async function duplicatesOf(
  deps: Dependencies,
  job: string,
  watched: WatchedBatch,
  batch: OpenAI.Batch | null,
  strangers: readonly Stranger[],
  signal: AbortSignal,
): Promise<OpenAI.Batch[]> {
  const { api, store } = deps;
  const found = new Map<string, OpenAI.Batch>();
  for (const { batch: stranger, meant } of strangers) {
    const same =
      meant === null
        ? stranger.input_file_id === batch?.input_file_id &&
          stranger.created_at >= batch.created_at &&
          batch.metadata?.[SHARD_KEY] === undefined
        : meant.shard === watched.shard && meant.batch === watched.batch;
    if (!same || stranger.id === watched.batchId) continue;
    found.set(stranger.id, stranger);
    await noteDuplicate(deps, job, watched, stranger.id);
  }
  for (const id of await readDuplicates(store, job, watched)) {
    const known = found.get(id) ?? (await retrieve(api, id, signal));
    if (known !== null) found.set(id, known);
  }
  return [...found.values()];
}

/** Batches that are all meant to be one: the oldest stays, the others are cancelled, and all are waited for. */
async function lookAtAll(
  deps: Dependencies,
  job: string,
  watched: WatchedBatch,
  group: readonly OpenAI.Batch[],
  signal: AbortSignal,
): Promise<BatchSight> {
  const kept = oldestOf(group);
  const others = group.filter((batch) => batch !== kept);
  await cancelAll(deps.api, others, signal);
  const duplicates = others.map(toEndedRecord);
  const waiting = duplicates.some(({ status }) => !isTerminal(status));
  const sight = await look(deps, job, watched, kept, waiting ? 'going on' : duplicates);
  return { ...sight, duplicates: others.length };
}

/** Those of shards that are settled already: what they answer is lost, and the report says so. */
async function cancelLateDuplicates(
  deps: Dependencies,
  job: string,
  batches: readonly WatchedBatch[],
  strangers: readonly Stranger[],
  signal: AbortSignal,
): Promise<void> {
  for (const { batch: stranger, meant } of strangers) {
    if (meant === null || isTerminal(parseBatchStatus(stranger.status))) continue;
    if (batches.some(({ shard, batch }) => shard === meant.shard && batch === meant.batch)) continue;
    if (!(await isDuplicate(deps.store, job, meant, stranger.id))) continue;
    await noteDuplicate(deps, job, meant, stranger.id);
    await cancelAll(deps.api, [stranger], signal);
  }
}

function isRequestRefused(error: unknown): boolean {
  return error instanceof ApplicationFailure && error.type === FailureType.RequestRefused;
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
  { store, observer }: Dependencies,
  job: string,
  watched: WatchedBatch,
  batch: OpenAI.Batch,
  duplicates: 'going on' | readonly EndedRecord[] = [],
): Promise<BatchSight> {
  const ended = toEndedRecord(batch);
  const sight = {
    batchId: watched.batchId,
    status: ended.status,
    completed: ended.completed,
    failed: batch.request_counts?.failed ?? 0,
    windowMs: windowOf(batch),
    refusal: null,
  };
  if (!isTerminal(ended.status)) return sight;
  // What its duplicates answer decides about its lines, too: it has not ended before them.
  if (duplicates === 'going on') return { ...sight, status: 'finalizing' };
  const record = duplicates.length === 0 ? ended : { ...ended, duplicates };
  const { shard, batch: number, batchId } = watched;
  const { first } = await claimRecord(store, shardFiles.ended(job, shard, number), record);
  const refusal = ended.status === 'failed' ? refusalOf(ended.errors) : null;
  if (first) observer?.onBatchEnded({ job, shard, batch: number, batchId, status: ended.status, refusal });
  return { ...sight, refusal };
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
    ran: hasRun(batch),
    errors: list
      .filter((entry) => typeof entry === 'object' && entry !== null)
      .map(({ code, message, param, line }) => ({
        code: code ?? 'unknown',
        message: message ?? '',
        param: param ?? null,
        line: line ?? null,
      })),
    times: {
      inProgressAt: secondsOf(batch.in_progress_at),
      finalizingAt: secondsOf(batch.finalizing_at),
      endedAt: secondsOf(batch.completed_at || batch.failed_at || batch.expired_at || batch.cancelled_at),
    },
  };
}

function secondsOf(time: unknown): number | null {
  return typeof time === 'number' && time > 0 ? time : null;
}

/** Lines are counted before they run; a server that tells of no time tells by that. */
function hasRun({
  in_progress_at: since,
  cancelling_at: cancelled,
  request_counts: counts,
}: OpenAI.Batch): boolean {
  if ((since ?? 0) > 0) return true;
  const done = (counts?.completed ?? 0) + (counts?.failed ?? 0);
  // Null, and not left out: it was cancelled while it was validated.
  const neverBegan = (since as number | null | undefined) === null && (cancelled ?? 0) > 0 && done === 0;
  return !neverBegan && (counts?.total ?? 0) > 0;
}

function windowOf({ created_at: from, expires_at: to }: OpenAI.Batch): number | null {
  return typeof to === 'number' && to > from ? (to - from) * 1_000 : null;
}

function missing(batchId: string): BatchSight {
  return { batchId, status: 'missing', completed: 0, failed: 0, windowMs: null, refusal: null };
}
