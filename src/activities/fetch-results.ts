import { ApplicationFailure } from '@temporalio/common';
import { activityInfo } from '@temporalio/activity';
import { BatchStatus } from '../core/batch-status.ts';
import { FailureType } from '../core/failure.ts';
import type { EndedShard } from '../file-work/settle-shard.ts';
import type { ShardOutcome } from '../core/shard-plan.ts';
import { shardFiles } from '../store/job-files.ts';
import { readRecord } from '../store/store.ts';
import type { Dependencies } from './dependencies.ts';
import { whileBeating } from './heartbeat.ts';
import { callApi, isNoSuchCall, isNotFound, notTheApi } from './openai-failure.ts';
import { type EndedRecord, toEndedRecord } from './poll-batches.ts';

export interface FetchRequest {
  readonly job: string;
  readonly shard: string;
  readonly batch: number;
  readonly attempts: number;
  readonly rebuy: boolean;
}

/** How a shard ended, in numbers: all that a workflow needs to know. */
export interface ShardCounts {
  readonly answered: number;
  readonly failed: number;
  readonly again: number;
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
}

/** How long an ended batch is asked again for a file that it should have (kaapi-backend#723: it may come late). */
const LATE_FILES_MS = 600_000;
const LOOK_AGAIN_MS = 30_000;

/** No byte for this long: the download is dead. The SDK's own timeout ends at the response's headers. */
const IDLE_MS = 60_000;

/**
 * Downloads the output and error file of an ended batch and decides how each line of the shard ended.
 * Safe twice: a raw file is seen only when whole and is downloaded once, and the shard's first outcome is kept.
 *
 * When a file that should be there is not, the API is asked again for ten minutes. Then lines without a row end
 * `answer_unavailable` (they were paid) unless `rebuy` is set.
 */
export async function fetchResults(deps: Dependencies, request: FetchRequest): Promise<ShardCounts> {
  const { job, shard, batch } = request;
  const { store } = deps;
  const known = await readRecord<ShardOutcome>(store, shardFiles.outcome(job, shard));
  if (known !== null) return toCounts(known);

  const { attempt, scheduledTimestampMs } = activityInfo();

  return await whileBeating(async (signal) => {
    let ended = (await readRecord<EndedRecord>(store, shardFiles.ended(job, shard, batch)))!;
    // The first attempt may come late, after hours without a worker: what counts is to have looked again.
    let lookedAgain = attempt > 1;
    if (lookedAgain && isIncomplete(ended)) {
      const now = await lookAgain(deps, request, ended, signal);
      lookedAgain = now !== null;
      ended = now ?? ended;
    }
    const gaveUp = lookedAgain && Date.now() - scheduledTimestampMs >= LATE_FILES_MS * deps.patience;
    const output = await download(deps, ended.outputFileId, shardFiles.output(job, shard, batch), signal);
    const errors = await download(deps, ended.errorFileId, shardFiles.errors(job, shard, batch), signal);
    const duplicates: string[] = [];
    for (const { batchId, outputFileId } of ended.duplicates ?? []) {
      const key = shardFiles.duplicateOutput(job, shard, batch, batchId);
      if ((await download(deps, outputFileId, key, signal)) === 'here') duplicates.push(batchId);
    }
    // Of a batch that ran and names neither file nothing can be read: what it answered is not known.
    const unknown =
      output === 'none' && errors === 'none' && ended.ran && ended.status !== BatchStatus.Failed;
    const paidForNothing =
      output === 'gone' || errors === 'gone' || unknown || (output === 'none' && shouldHaveOutput(ended));
    let missing: EndedShard['missing'] = 'retry';
    if (paidForNothing) missing = gaveUp ? (request.rebuy ? 'retry' : 'unavailable') : 'ask';
    else if (errors === 'none' && ended.status === BatchStatus.Completed) missing = gaveUp ? 'retry' : 'ask';
    // A batch that was cut short may have had nothing to write: one more look is enough.
    else if (errors === 'none' && ended.status !== BatchStatus.Failed)
      missing = lookedAgain ? 'retry' : 'ask';
    const outcome = await deps.files.settleShard({
      job,
      shard,
      batch,
      batchId: ended.batchId,
      status: ended.status,
      hasOutput: output === 'here',
      hasErrors: errors === 'here',
      refused: ended.errors,
      missing,
      attempts: request.attempts,
      duplicates,
    });
    if (outcome !== null) return toCounts(outcome);
    throw ApplicationFailure.create({
      type: FailureType.AnswersNotReady,
      message: `Batch ${ended.batchId} ended without a file that it should have; looking again.`,
      nextRetryDelay: LOOK_AGAIN_MS * deps.patience,
    });
  });
}

function toCounts({ again, ...counts }: ShardOutcome): ShardCounts {
  const { answered, failed, inputTokens, cachedTokens, outputTokens } = counts;
  return { answered, failed, again: again.length, inputTokens, cachedTokens, outputTokens };
}

function isIncomplete(ended: EndedRecord): boolean {
  return ended.status !== BatchStatus.Failed && (ended.outputFileId === null || ended.errorFileId === null);
}

function shouldHaveOutput({ status, completed }: EndedRecord): boolean {
  return status === BatchStatus.Completed || (status !== BatchStatus.Failed && completed > 0);
}

/** The record as the API has it now; null when it does not know the batch. */
async function lookAgain(
  { api, store }: Dependencies,
  { job, shard, batch }: FetchRequest,
  before: EndedRecord,
  signal: AbortSignal,
): Promise<EndedRecord | null> {
  let seen: EndedRecord;
  try {
    seen = toEndedRecord(await api.batches.retrieve(before.batchId, { signal }));
    if (seen.batchId !== before.batchId) throw notTheApi('GET /batches/{id}');
  } catch (error) {
    // A batch that was seen to end exists: a server that does not know it now says nothing new about its files.
    if (isNotFound(error)) return null;
    return await callApi('GET /batches/{id}', () => Promise.reject(error));
  }
  const merged = {
    ...before,
    outputFileId: before.outputFileId ?? seen.outputFileId,
    errorFileId: before.errorFileId ?? seen.errorFileId,
  };
  await store.replace(shardFiles.ended(job, shard, batch), JSON.stringify(merged));
  return merged;
}

/** `here`: the whole file is in the store; `none`: the batch names no such file; `gone`: it does, but the API has it no more. */
export async function download(
  { api, store, patience }: Dependencies,
  fileId: string | null,
  key: string,
  signal: AbortSignal,
): Promise<'here' | 'none' | 'gone'> {
  if (fileId === null) return 'none';
  if ((await store.size(key)) !== null) return 'here';
  let expected: number | null = null;
  let response: Response;
  try {
    // The length is asked first: a proxy may cut a chunked download without any sign of it.
    expected = await api.files.retrieve(fileId, { signal }).then(
      (file) => {
        if (typeof file?.id !== 'string') throw notTheApi('GET /files/{id}');
        return file.bytes ?? null;
      },
      (error: unknown) => {
        // Some servers have no route for a file's status; its content is what counts.
        if (isNotFound(error) || isNoSuchCall(error)) return null;
        throw error;
      },
    );
    response = await api.files.content(fileId, { signal });
  } catch (error) {
    if (isNotFound(error)) return 'gone';
    return await callApi('GET /files/{id}/content', () => Promise.reject(error));
  }
  // No file of answers is a web page; a proxy's would be read as a file without rows, and its lines bought again.
  if (/^text\/html/i.test(response.headers.get('content-type') ?? ''))
    throw notTheApi('GET /files/{id}/content');
  await store.writeStream(key, checked(response, expected, IDLE_MS * patience));
  return 'here';
}

/** The body's bytes; fails when none come for a minute or when there are fewer than promised. */
async function* checked(
  response: Response,
  expected: number | null,
  idleMs: number,
): AsyncGenerator<Uint8Array> {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const promised = Number(response.headers.get('content-length') ?? Number.NaN);
  let bytes = 0;
  try {
    for (;;) {
      const { done, value } = await nextChunk(reader, idleMs);
      if (done) break;
      bytes += value.length;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined); // the connection is of no further use
  }
  const wanted = response.headers.has('content-encoding') || Number.isNaN(promised) ? expected : promised;
  if (wanted !== null && bytes < Math.max(wanted, expected ?? 0))
    throw trouble(`ended after ${bytes} of ${Math.max(wanted, expected ?? 0)} bytes`);
}

async function nextChunk(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  idleMs: number,
): ReturnType<ReadableStreamDefaultReader<Uint8Array>['read']> {
  let timer: NodeJS.Timeout | undefined;
  const idle = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(trouble('stalled')), idleMs);
  });
  try {
    return await Promise.race([reader.read(), idle]);
  } catch (error) {
    throw error instanceof ApplicationFailure ? error : trouble('broke off');
  } finally {
    clearTimeout(timer);
  }
}

function trouble(what: string): ApplicationFailure {
  return ApplicationFailure.create({
    type: FailureType.ApiTrouble,
    message: `GET /files/{id}/content: ${what}`,
  });
}
