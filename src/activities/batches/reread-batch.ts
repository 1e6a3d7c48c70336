import { ApplicationFailure } from '@temporalio/common';
import { isTerminal } from '../../core/batch-status.ts';
import { FailureType } from '../../core/failure.ts';
import type { ApiBatch } from '../../openai/api-batch.ts';
import type { BatchApi } from '../../openai/batch-api.ts';
import { shardFiles } from '../../store/job-files.ts';
import type { Dependencies } from '../step/dependencies.ts';
import type { BatchRef } from './batch-record.ts';
import type { EndedRecord } from './ended-record.ts';

/** What a later read of an ended batch says. */
export interface Reread {
  /** With the files that the API names now. */
  readonly record: EndedRecord;
  /** True if the API says that the batch, or one created on top of it, has not ended. */
  readonly isRunning: boolean;
}

/**
 * Reads a batch, and those created on top of it, again, and keeps the files that the API names now; null if it does not know
 * the batch.
 */
export async function rereadBatch(
  { api, store }: Dependencies,
  { job, shard, batch }: BatchRef,
  before: EndedRecord,
  signal: AbortSignal,
): Promise<Reread | null> {
  const own = await rereadOne(api, before, signal);
  if (own === null) return null;
  const twins: Reread[] = [];
  for (const twin of before.duplicates ?? [])
    twins.push((await rereadOne(api, twin, signal)) ?? { record: twin, isRunning: false });
  const duplicates = twins.map(({ record }) => record);
  const record = { ...own.record, ...(duplicates.length === 0 ? {} : { duplicates }) };
  await store.replace(shardFiles.ended(job, shard, batch), JSON.stringify(record));
  return { record, isRunning: [own, ...twins].some(({ isRunning }) => isRunning) };
}

async function rereadOne(api: BatchApi, before: EndedRecord, signal: AbortSignal): Promise<Reread | null> {
  let now: ApiBatch | null;
  try {
    now = await api.readBatch(before.batchId, { signal });
  } catch (error) {
    // A server without this call, or one that refuses it for good, adds nothing to what is known.
    if (error instanceof ApplicationFailure && error.type === FailureType.RequestRefused)
      return { record: before, isRunning: false };
    throw error;
  }
  if (now === null) return null;
  // The last ids are right: some servers name files before the batch ends, and others when it has ended.
  const record = {
    ...before,
    ran: before.ran || now.ran,
    outputFileId: now.outputFileId ?? before.outputFileId,
    errorFileId: now.errorFileId ?? before.errorFileId,
  };
  return { record, isRunning: now.unknownStatus === null && !isTerminal(now.status) };
}
