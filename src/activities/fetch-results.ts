import { ApplicationFailure } from '@temporalio/common';
import { isDeepStrictEqual } from 'node:util';
import pLimit from 'p-limit';
import { BatchStatus } from '../core/batch-status.ts';
import { FailureType } from '../core/failure.ts';
import type { AnswerLimits, TemplateReference } from '../core/job-spec.ts';
import type { AnswerCheck, EndedShard, MissingRows } from '../file-work/rows/ended-shard.ts';
import type { ShardManifest, ShardOutcome } from '../core/shard-plan.ts';
import { DOWNLOADS_AT_ONCE } from '../core/step-queues.ts';
import { jobPrices } from '../prices/job-prices.ts';
import { shardFiles } from '../store/job-files.ts';
import { claimRecord, readRecord, type Store } from '../store/store.ts';
import type { Dependencies } from './step/dependencies.ts';
import { downloadFiles, type BatchFiles } from './batches/download-batch-files.ts';
import { withHeartbeat } from './step/heartbeat.ts';
import { jobTemplate } from './step/job-template.ts';
import type { EndedRecord } from './batches/ended-record.ts';
import { rereadBatch, type Reread } from './batches/reread-batch.ts';
import { paidFor, toShardCounts, type ShardCounts } from './batches/shard-counts.ts';

export interface FetchRequest {
  readonly job: string;
  readonly shard: string;
  readonly batch: number;
  readonly attempts: number;
  /** How answers are checked, and the template with their schema; absent for a job without such a schema. */
  readonly answer?: AnswerLimits & { readonly template: TemplateReference };
  readonly rebuy: boolean;
  /** True when the job was cancelled; absent from workflows of version 0.2 and before. */
  readonly cancelled?: boolean;
}

/** Limits workers whose transfers have no queue of their own. */
const downloads = pLimit(DOWNLOADS_AT_ONCE);

/** How long missing rows of an ended batch are requested from the API again (kaapi-backend#723: files may come late). */
const RETRY_MS = 600_000;
/** The first and the longest wait between two attempts. */
const RETRY_WAIT_MS = { least: 30_000, most: 240_000 } as const;

/**
 * Downloads the output and error file of an ended batch and decides how each line of the shard ended.
 * Safe twice: a file appears in the store only when it is whole, a longer one of the same name replaces it, and the shard's
 * first outcome is kept.
 *
 * A line without a row in either file may have run nevertheless: files come late, and some are empty or truncated at first. So
 * the files are downloaded and the batch is read again for ten minutes after the first miss, whatever the counts are; a file
 * that it names by then is downloaded at once. If the API reports the batch as running again, the ten minutes start at its end.
 * Then such lines are sent again if both files are there and hold rows of this shard. Otherwise they end `answer_unavailable`,
 * because they may have been paid, unless `rebuy` is set.
 * Answers are checked against the schema of the job's template, whose text is in the store only.
 * @throws ApplicationFailure `BadInput` if the store has no template; `AnswersNotReady` (retryable) for those ten minutes; `BatchUnknown` if the API does not know the
 * batch after them
 */
export async function fetchResults(deps: Dependencies, request: FetchRequest): Promise<ShardCounts> {
  const { job, shard, batch } = request;
  const { store } = deps;
  const known = await readRecord<ShardOutcome>(store, shardFiles.outcome(job, shard));
  const { model } = (await readRecord<ShardManifest>(store, shardFiles.manifest(job, shard)))!;
  if (known !== null) return toShardCounts(model, known, paidFor(model, known).amount);

  const answer = await answerCheckOf(store, request);
  const rates = (await jobPrices(store, job)).ratesOf(model);
  return await withHeartbeat(async (signal) => {
    let ended = (await readRecord<EndedRecord>(store, shardFiles.ended(job, shard, batch)))!;
    const missedKey = shardFiles.missed(job, shard, batch);
    const hasMissed = (await store.size(missedKey)) !== null;
    let files = await downloads(() => downloadFiles(deps, request, ended, hasMissed, signal));
    const settle = async (missing: EndedShard['missing']): Promise<Settled> =>
      await deps.files.settleShard({
        job,
        shard,
        batch,
        batchId: ended.batchId,
        status: ended.status,
        hasOutput: files.output === 'here',
        hasErrors: files.errors === 'here',
        refused: ended.errors,
        missing,
        attempts: request.attempts,
        cancelled: request.cancelled === true,
        ...(answer === null ? {} : { answer }),
        duplicates: files.duplicates,
        lostDuplicate: files.lostDuplicate,
        rates,
      });

    const isCancelled = request.cancelled === true && ended.status === BatchStatus.Cancelled;
    let settled = await settle(hasNeverRun(ended) ? (isCancelled ? 'cancelled' : 'retry') : 'ask');
    if ('missing' in settled) {
      // The batch is read after its files: the key of another project finds neither, and its attempt must not count as a miss.
      const now = await rereadBatch(deps, request, ended, signal);
      if (now !== null && !isDeepStrictEqual(filesOf(now.record), filesOf(ended))) {
        ended = now.record;
        files = await downloads(() => downloadFiles(deps, request, ended, true, signal));
        settled = await settle('ask');
      }
      if ('missing' in settled) {
        await assertRetriesOver(deps, request, ended, now);
        const errorsEmpty = (await store.size(shardFiles.errors(job, shard, batch))) === 0;
        settled = await settle(fateOfMissing(request, ended, files, { ...settled, errorsEmpty }));
      }
    }
    if ('missing' in settled) throw new Error(`Shard ${shard} was not settled.`);
    const { outcome, first } = settled;
    const { tokens, amount } = paidFor(model, outcome);
    if (first) deps.observer?.onShardSettled({ job, shard, model, outcome, tokens, amount });
    return toShardCounts(model, outcome, amount);
  });
}

/** The check of a job's answers; null for a job whose answers have no schema. */
async function answerCheckOf(store: Store, { answer }: FetchRequest): Promise<AnswerCheck | null> {
  if (answer === undefined) return null;
  const { template, ...limits } = answer;
  const { schema } = (await jobTemplate(store, template)).answer!;
  return { ...limits, schema };
}

/**
 * Records that lines have no row; returns after ten minutes of retries.
 * @throws ApplicationFailure as `fetchResults`
 */
async function assertRetriesOver(
  { store, patience }: Dependencies,
  request: FetchRequest,
  ended: EndedRecord,
  now: Reread | null,
): Promise<void> {
  const { job, shard, batch } = request;
  const missedKey = shardFiles.missed(job, shard, batch);
  const unknownKey = shardFiles.unknown(job, shard, batch);
  const key = now === null ? unknownKey : missedKey;
  await store.remove(now === null ? missedKey : unknownKey);
  const miss: Miss = { at: Date.now() };
  // A batch with an unknown status may have been treated as ended too early: the ten minutes begin at its end.
  if (now?.isRunning === true) {
    await store.replace(key, JSON.stringify({ ...miss, running: true } satisfies Miss));
    throw notReady(ended, request, RETRY_WAIT_MS.most * patience, 'is running');
  }
  const claimed = await claimRecord<Miss>(store, key, miss);
  const wasRunning = claimed.record.running === true;
  if (wasRunning) await store.replace(key, JSON.stringify(miss));
  const waitedMs = wasRunning ? 0 : miss.at - claimed.record.at;
  if (claimed.first || wasRunning || waitedMs < RETRY_MS * patience)
    throw notReady(ended, request, nextWait(waitedMs, patience), 'has ended');
  if (now === null && request.cancelled !== true) throw batchUnknown(ended, request);
}

function filesOf({ outputFileId, errorFileId, duplicates = [] }: EndedRecord): (string | null)[] {
  return [outputFileId, errorFileId, ...duplicates.flatMap(filesOf)];
}

/** Records that lines of an ended batch have no row. */
interface Miss {
  /** When this was first found, in ms since 1970 by this machine's clock. */
  readonly at: number;
  /** True if the batch was running then: the ten minutes have not begun. */
  readonly running?: true;
}

type Settled = Awaited<ReturnType<Dependencies['files']['settleShard']>>;

/** The next wait is as long as all earlier ones together, within bounds; the last one ends with the ten minutes. */
function nextWait(waitedMs: number, patience: number): number {
  const { least, most } = RETRY_WAIT_MS;
  const wait = Math.min(most * patience, Math.max(least * patience, waitedMs));
  return Math.min(wait, RETRY_MS * patience - waitedMs);
}

function notReady(
  { batchId }: EndedRecord,
  { shard }: FetchRequest,
  waitMs: number,
  state: 'has ended' | 'is running',
): ApplicationFailure {
  const next =
    state === 'has ended'
      ? 'the files are requested again for ten minutes'
      : 'the batch is read again until it has ended';
  return ApplicationFailure.create({
    type: FailureType.AnswersNotReady,
    message: `Lines of shard ${shard} have no row in the files of batch ${batchId}, which ${state}: ${next}.`,
    nextRetryDelay: Math.max(1, waitMs),
  });
}

function batchUnknown({ batchId }: EndedRecord, { job, shard }: FetchRequest): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `the API does not know batch ${batchId} of shard ${shard} any more, which it has shown before, and lines of it have no row: start the workers with the OPENAI_API_KEY of the project that created it, then \`durable-batch resume ${job}\``,
    FailureType.BatchUnknown,
  );
}

/** True if the batch was refused or cancelled before any of its lines ran. */
function hasNeverRun({
  status,
  ran,
  outputFileId,
  errorFileId,
  errors,
  times,
  duplicates = [],
}: EndedRecord): boolean {
  if (outputFileId !== null || errorFileId !== null || duplicates.length > 0) return false;
  // Servers without times show by its errors that a batch was refused.
  const isRefused = status === BatchStatus.Failed && errors.length > 0 && times?.inProgressAt == null;
  return !ran || isRefused;
}

/** Decides how lines without a row end after ten minutes of retries. */
function fateOfMissing(
  { rebuy, cancelled }: FetchRequest,
  { status, outputFileId, errorFileId }: EndedRecord,
  { output, errors, lostDuplicate }: BatchFiles,
  { outputRead, errorsRead, errorsEmpty }: MissingRows & { errorsEmpty: boolean },
): EndedShard['missing'] {
  // Some servers never return files of a cancelled batch. Nothing is sent again here in either case.
  if (cancelled === true && status === BatchStatus.Cancelled && outputFileId === null && errorFileId === null)
    return 'cancelled';
  const isWhole = output === 'here' && outputRead && errors !== 'gone';
  const hidesRows = errors === 'here' && !errorsRead && !errorsEmpty;
  if (isWhole && !hidesRows && !lostDuplicate) return 'retry';
  return rebuy ? 'retry' : 'unavailable';
}
