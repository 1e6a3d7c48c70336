import { activityInfo, log } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { isTerminal } from '../../core/batch-status.ts';
import { FailureType } from '../../core/failure.ts';
import type { PaidTwice, ShardManifest } from '../../core/shard-plan.ts';
import { addAmounts, noCost } from '../../core/token-cost.ts';
import type { ApiBatch } from '../../openai/api-batch.ts';
import { isAccountRefused, isFinal } from '../../openai/failure.ts';
import { asRead, visitSince } from '../../openai/find-batch.ts';
import { parseBatchKey, type BatchKey } from '../../openai/batch-metadata.ts';
import { jobPrices } from '../../prices/job-prices.ts';
import { amountPaid } from '../../prices/price-list.ts';
import { apiFingerprint, isOtherApi, jobInstance } from '../../store/job-api.ts';
import { shardFiles } from '../../store/job-files.ts';
import { readRecord } from '../../store/store.ts';
import { cancelAll } from './cancel-all.ts';
import type { Dependencies } from '../step/dependencies.ts';
import { isDuplicate, isOfThisStore, recordDuplicate, readDuplicates } from './duplicate-batches.ts';
import { downloadFile } from './download-file.ts';
import type { EndedRecord } from './ended-record.ts';

/** The duplicates of a shard's batches, and what they cost. */
export interface DuplicateLoss {
  readonly shard: string;
  readonly batches: number;
  /** The answers of duplicates that appeared after the shard was settled; none of them can be used. */
  readonly late: PaidTwice | null;
}

/** All answers are in the store: a list that cannot be read does not delay the results longer than this. */
const LIST_MS = 120_000;
/** A cancel takes up to ten minutes (guide, "Cancelling a batch"); the results wait no longer than this for the count of a loss. */
const LATE_MS = 900_000;
const RETRY_MS = 30_000;

/**
 * Searches a last time for duplicates of the job's batches, cancels those that still run, waits for their end, and stores and
 * counts their answers. Safe twice: it reads, and a cancel of a cancelled batch is accepted.
 * @throws ApplicationFailure (retryable) while one has not ended, for up to a quarter of an hour, and while the API does not
 * respond, for up to two minutes
 */
export async function countDuplicates(
  deps: Dependencies,
  job: string,
  startedAt: string,
  shards: readonly string[],
  signal: AbortSignal,
): Promise<DuplicateLoss[]> {
  const waitedMs = Date.now() - activityInfo().scheduledTimestampMs;
  const isPatient = waitedMs < LATE_MS * deps.patience;
  const retry = (message: string): ApplicationFailure =>
    ApplicationFailure.create({
      type: FailureType.AnswersNotReady,
      message,
      nextRetryDelay: RETRY_MS * deps.patience,
    });
  try {
    if (!(await isOtherApi(deps.store, job, apiFingerprint(deps.api.baseURL))))
      await recordLateDuplicates(deps, job, startedAt, signal);
  } catch (error) {
    if (signal.aborted) throw error;
    const { message } = error as Error;
    if (waitedMs < LIST_MS * deps.patience)
      throw retry(`The account's batches cannot be searched for duplicates: ${message}`);
    log.warn('Duplicate batches were not searched for at the end of the job.', { job, reason: message });
  }
  const losses: DuplicateLoss[] = [];
  for (const shard of shards) {
    const loss = await lossOf(deps, job, shard, signal).catch((error: unknown) => {
      if (signal.aborted || isPatient)
        throw error instanceof ApplicationFailure ? retry(error.message) : error;
      log.warn('The answers of a duplicate batch are not counted.', { job, shard });
      return null;
    });
    if (loss !== null) losses.push(loss);
  }
  return losses;
}

async function recordLateDuplicates(
  deps: Dependencies,
  job: string,
  startedAt: string,
  signal: AbortSignal,
): Promise<void> {
  const { api, store } = deps;
  const instance = await jobInstance(store, job);
  if (instance === null) return; // it has created no batch
  const ours: { batch: ApiBatch; key: BatchKey }[] = [];
  const visit = (batch: ApiBatch): void => {
    const key = parseBatchKey(job, instance, batch.metadata);
    if (key !== null) ours.push({ batch, key });
  };
  const pageMs = Math.max(2_000, RETRY_MS * deps.patience);
  await visitSince(api, visit, { notBefore: Date.parse(startedAt), signal, pageMs }).catch(
    (error: unknown) => {
      // A server without a list shows no duplicates.
      if (!isFinal(error) || isAccountRefused(error)) throw error;
    },
  );
  for (const { batch: listed, key } of ours) {
    if (!(await isDuplicate(store, job, key, listed.id))) continue;
    const batch = await asRead(listed, (batchId) => api.readBatch(batchId, { signal }));
    if (!(await isOfThisStore(store, job, key, batch))) continue;
    await recordDuplicate(deps, job, key, batch.id);
    await cancelAll(api, [batch], signal);
  }
}

/** Returns null for a shard without a duplicate. */
async function lossOf(
  deps: Dependencies,
  job: string,
  shard: string,
  signal: AbortSignal,
): Promise<DuplicateLoss | null> {
  let batches = 0;
  let late: PaidTwice | null = null;
  for (let batch = 1; (await deps.store.size(shardFiles.batch(job, shard, batch))) !== null; batch += 1) {
    const duplicates = await readDuplicates(deps.store, job, { shard, batch });
    batches += duplicates.length;
    if (duplicates.length === 0) continue;
    const ended = await readRecord<EndedRecord>(deps.store, shardFiles.ended(job, shard, batch));
    const settled = [ended, ...(ended?.duplicates ?? [])].map((each) => each?.batchId);
    for (const batchId of duplicates) {
      if (settled.includes(batchId)) continue;
      const key = shardFiles.duplicateOutput(job, shard, batch, batchId);
      if (!(await fetchOutput(deps, batchId, key, signal))) continue;
      const { model } = (await readRecord<ShardManifest>(deps.store, shardFiles.manifest(job, shard)))!;
      const { ratesOf } = await jobPrices(deps.store, job);
      const output = { job, shard, output: key, rates: ratesOf(model) };
      late = add(model, late, await deps.files.countAnswers(output));
    }
  }
  return batches === 0 ? null : { shard, batches, late };
}

async function fetchOutput(
  deps: Dependencies,
  batchId: string,
  key: string,
  signal: AbortSignal,
): Promise<boolean> {
  if ((await deps.store.size(key)) !== null) return true;
  const batch = await deps.api.readBatch(batchId, { signal });
  if (batch === null) return false;
  if (!isTerminal(batch.status)) {
    throw ApplicationFailure.create({
      type: FailureType.AnswersNotReady,
      message: `Batch ${batchId}, a duplicate of another one, is cancelled and has not ended yet: it is read again automatically.`,
    });
  }
  return (await downloadFile(deps, batch.outputFileId, key, signal)) === 'here';
}

function add(model: string, to: PaidTwice | null, more: PaidTwice): PaidTwice {
  const amount = addAmounts(to === null ? noCost : amountPaid(model, to), amountPaid(model, more));
  return {
    answers: (to?.answers ?? 0) + more.answers,
    inputTokens: (to?.inputTokens ?? 0) + more.inputTokens,
    cachedTokens: (to?.cachedTokens ?? 0) + more.cachedTokens,
    outputTokens: (to?.outputTokens ?? 0) + more.outputTokens,
    ...amount,
  };
}
