import { ApplicationFailure } from '@temporalio/common';
import { activityInfo } from '@temporalio/activity';
import { BatchStatus } from '../core/batch-status.ts';
import { FailureType } from '../core/failure.ts';
import type { EndedShard } from '../file-work/settle-shard.ts';
import type { ShardManifest, ShardOutcome } from '../core/shard-plan.ts';
import { shardFiles } from '../store/job-files.ts';
import { readRecord } from '../store/store.ts';
import { batchPrice } from './batch-price.ts';
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
    const output = await downloadFile(deps, ended.outputFileId, shardFiles.output(job, shard, batch), signal);
    const errors = await downloadFile(deps, ended.errorFileId, shardFiles.errors(job, shard, batch), signal);
    const duplicates: string[] = [];
    for (const { batchId, outputFileId } of ended.duplicates ?? []) {
      const key = shardFiles.duplicateOutput(job, shard, batch, batchId);
      if ((await downloadFile(deps, outputFileId, key, signal)) === 'here') duplicates.push(batchId);
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
      missing: missingRows(ended, { output, errors }, { lookedAgain, gaveUp, rebuy: request.rebuy }),
      attempts: request.attempts,
      duplicates,
    });
    if (settled !== null) {
      if (settled.first) await tellSettled(deps, request, settled.outcome);
      return toCounts(settled.outcome);
    }
    throw ApplicationFailure.create({
      type: FailureType.AnswersNotReady,
      message: `Batch ${ended.batchId} ended without a file that it should have; looking again.`,
      nextRetryDelay: LOOK_AGAIN_MS * deps.patience,
    });
  });
}

async function tellSettled(
  { store, observer }: Dependencies,
  { job, shard }: FetchRequest,
  outcome: ShardOutcome,
): Promise<void> {
  if (observer === undefined) return;
  const { model } = (await readRecord<ShardManifest>(store, shardFiles.manifest(job, shard)))!;
  const { twice } = outcome;
  const tokens = {
    input: outcome.inputTokens + (twice?.inputTokens ?? 0),
    cached: outcome.cachedTokens + (twice?.cachedTokens ?? 0),
    output: outcome.outputTokens + (twice?.outputTokens ?? 0),
  };
  observer.onShardSettled({ job, shard, model, outcome, tokens, price: batchPrice(model, tokens) });
}

type Found = Awaited<ReturnType<typeof downloadFile>>;

/** What becomes of lines that have no row in the files that were found. */
function missingRows(
  ended: EndedRecord,
  { output, errors }: { output: Found; errors: Found },
  { lookedAgain, gaveUp, rebuy }: { lookedAgain: boolean; gaveUp: boolean; rebuy: boolean },
): EndedShard['missing'] {
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

function toCounts({ again, ...counts }: ShardOutcome): ShardCounts {
  const { answered, failed, inputTokens, cachedTokens, outputTokens } = counts;
  return { answered, failed, again: again.length, inputTokens, cachedTokens, outputTokens };
}

function isIncomplete(ended: EndedRecord): boolean {
  return ended.status !== BatchStatus.Failed && (ended.outputFileId === null || ended.errorFileId === null);
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
