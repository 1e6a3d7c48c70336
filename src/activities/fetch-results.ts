import { ApplicationFailure } from '@temporalio/common';
import { activityInfo } from '@temporalio/activity';
import { BatchStatus } from '../core/batch-status.ts';
import { FailureType } from '../core/failure.ts';
import type { EndedShard } from '../file-work/settle-shard.ts';
import type { ShardManifest, ShardOutcome } from '../core/shard-plan.ts';
import { addCosts, priceOf, type Cost } from '../core/token-cost.ts';
import { shardFiles } from '../store/job-files.ts';
import { readRecord } from '../store/store.ts';
import { costOf, ratesOf } from './batch-price.ts';
import type { Dependencies } from './dependencies.ts';
import { downloadFile } from './download-file.ts';
import { whileBeating } from './heartbeat.ts';
import { callApi, isNotFound, notTheApi } from './openai-failure.ts';
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
  /** At batch prices, in USD; null when the model's price is not known, absent from workers of version 0.1. */
  readonly costUsd?: number | null;
  /** The same tokens at list price. */
  readonly costUsdWithoutBatch?: number | null;
  /** The same amount, exact; absent from workers of version 0.1. */
  readonly cost?: Cost;
  /** The code of rows that were refused because of the account's billing or key; absent where there are none. */
  readonly accountRefused?: string;
}

/** How long an ended batch is asked again for a file that it should have (kaapi-backend#723: it may come late). */
const LATE_FILES_MS = 600_000;
const LOOK_AGAIN_MS = 30_000;

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
  const { model } = (await readRecord<ShardManifest>(store, shardFiles.manifest(job, shard)))!;
  if (known !== null) return countsOf(known, paidFor(model, known));

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
    const output = await downloadFile(deps, ended.outputFileId, shardFiles.output(job, shard, batch), signal);
    const errors = await downloadFile(deps, ended.errorFileId, shardFiles.errors(job, shard, batch), signal);
    const duplicates: string[] = [];
    let lostDuplicate = false;
    for (const twin of ended.duplicates ?? []) {
      const key = shardFiles.duplicateOutput(job, shard, batch, twin.batchId);
      const found = await downloadFile(deps, twin.outputFileId, key, signal);
      if (found === 'here') duplicates.push(twin.batchId);
      else lostDuplicate ||= found === 'gone' || twin.completed > 0;
    }
    const settled = await deps.files.settleShard({
      job,
      shard,
      batch,
      batchId: ended.batchId,
      status: ended.status,
      hasOutput: output === 'here',
      hasErrors: errors === 'here',
      refused: ended.errors,
      missing: missingRows(
        ended,
        { output, errors, lostDuplicate },
        { lookedAgain, gaveUp, rebuy: request.rebuy },
      ),
      attempts: request.attempts,
      duplicates,
      lostDuplicate,
      rates: ratesOf(model),
    });
    if (!('missing' in settled)) {
      const { outcome, first } = settled;
      const { tokens, cost } = paidFor(model, outcome);
      if (first) deps.observer?.onShardSettled({ job, shard, model, outcome, tokens, price: priceOf(cost) });
      return countsOf(outcome, { tokens, cost });
    }
    throw ApplicationFailure.create({
      type: FailureType.AnswersNotReady,
      message: `Batch ${ended.batchId} of shard ${shard} ended without a file that it should have: looked for again for ten minutes, then its lines without an answer end failed.`,
      nextRetryDelay: LOOK_AGAIN_MS * deps.patience,
    });
  });
}

/** What was paid for a shard's answers, those that came a second time included. */
interface Paid {
  readonly tokens: { readonly input: number; readonly cached: number; readonly output: number };
  readonly cost: Cost;
}

function paidFor(model: string, outcome: ShardOutcome): Paid {
  const { inputTokens, cachedTokens, outputTokens, twice } = outcome;
  return {
    tokens: {
      input: inputTokens + (twice?.inputTokens ?? 0),
      cached: cachedTokens + (twice?.cachedTokens ?? 0),
      output: outputTokens + (twice?.outputTokens ?? 0),
    },
    cost: addCosts(costOf(model, outcome), twice === undefined ? '0' : costOf(model, twice)),
  };
}

type Found = Awaited<ReturnType<typeof downloadFile>>;

/** What becomes of lines that have no row in the files that were found. */
function missingRows(
  ended: EndedRecord,
  { output, errors, lostDuplicate }: { output: Found; errors: Found; lostDuplicate: boolean },
  { lookedAgain, gaveUp, rebuy }: { lookedAgain: boolean; gaveUp: boolean; rebuy: boolean },
): EndedShard['missing'] {
  // What a batch created on top has answered and cannot be read is paid as well.
  if (lostDuplicate && !gaveUp) return 'ask';
  if (lostDuplicate) return rebuy ? 'retry' : 'unavailable';
  if (ended.status === BatchStatus.Failed && output !== 'gone' && errors !== 'gone') return 'retry';
  const isCompleted = ended.status === BatchStatus.Completed;
  const lacksOutput = output === 'none' && (isCompleted || ended.completed > 0);
  // Of a batch that ran and names neither file nothing can be read: what it answered is not known.
  const lacksBoth = output === 'none' && errors === 'none' && ended.ran;
  if (output === 'gone' || errors === 'gone' || lacksOutput || lacksBoth) {
    if (!gaveUp) return 'ask';
    return rebuy ? 'retry' : 'unavailable';
  }
  if (errors !== 'none') return 'retry';
  // A batch that was cut short may have had nothing to write: one more look is enough.
  return (isCompleted ? gaveUp : lookedAgain) ? 'retry' : 'ask';
}

function countsOf(outcome: ShardOutcome, { cost }: Paid): ShardCounts {
  const { answered, failed, again, inputTokens, cachedTokens, outputTokens, accountRefused } = outcome;
  const price = priceOf(cost);
  return {
    answered,
    failed,
    again: again.length,
    inputTokens,
    cachedTokens,
    outputTokens,
    costUsd: price?.batchUsd ?? null,
    costUsdWithoutBatch: price?.listUsd ?? null,
    cost,
    ...(accountRefused === undefined ? {} : { accountRefused: accountRefused.code }),
  };
}

function isIncomplete(ended: EndedRecord): boolean {
  const { status, outputFileId, errorFileId, duplicates = [] } = ended;
  return (
    (status !== BatchStatus.Failed && (outputFileId === null || errorFileId === null)) ||
    duplicates.some((twin) => twin.outputFileId === null && twin.completed > 0)
  );
}

/** The record, and those of batches created on top, as the API has them now; null when it does not know the batch. */
async function lookAgain(
  { api, store }: Dependencies,
  { job, shard, batch }: FetchRequest,
  before: EndedRecord,
  signal: AbortSignal,
): Promise<EndedRecord | null> {
  const own = await seeAgain(api, before, signal);
  if (own === null) return null;
  const duplicates: EndedRecord[] = [];
  for (const twin of before.duplicates ?? []) duplicates.push((await seeAgain(api, twin, signal)) ?? twin);
  const merged = { ...own, ...(duplicates.length === 0 ? {} : { duplicates }) };
  await store.replace(shardFiles.ended(job, shard, batch), JSON.stringify(merged));
  return merged;
}

async function seeAgain(
  api: Dependencies['api'],
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
  return {
    ...before,
    outputFileId: before.outputFileId ?? seen.outputFileId,
    errorFileId: before.errorFileId ?? seen.errorFileId,
  };
}
