import { ApplicationFailure } from '@temporalio/common';
import { isTerminal } from '../../core/batch-status.ts';
import { FailureType } from '../../core/failure.ts';
import type { ApiBatch } from '../../openai/api-batch.ts';
import type { BatchApi } from '../../openai/batch-api.ts';
import { shardFiles } from '../../store/job-files.ts';
import type { Dependencies } from '../step/dependencies.ts';
import type { JobBatchRef } from './batch-record.ts';
import type { EndedRecord } from './ended-record.ts';

/** The result of another read of an ended batch. */
export interface Reread {
  /** With the file ids that the API returns now. */
  readonly record: EndedRecord;
  /** True if, according to the API, the batch or a duplicate of it has not ended. */
  readonly isRunning: boolean;
}

/**
 * Reads an ended batch and its duplicates again, and records the file ids that the API returns now. Returns null if the API does
 * not know the batch. Safe twice: the record is replaced as a whole, and later ids are the right ones.
 */
export async function rereadBatch(
  { api, store }: Dependencies,
  { job, shard, batch }: JobBatchRef,
  before: EndedRecord,
  signal: AbortSignal,
): Promise<Reread | null> {
  const own = await rereadOne(api, before, signal);
  if (own === null) return null;
  const rereads: Reread[] = [];
  for (const duplicate of before.duplicates ?? [])
    rereads.push((await rereadOne(api, duplicate, signal)) ?? { record: duplicate, isRunning: false });
  const duplicates = rereads.map(({ record }) => record);
  const record = { ...own.record, ...(duplicates.length === 0 ? {} : { duplicates }) };
  await store.replace(shardFiles.ended(job, shard, batch), JSON.stringify(record));
  return { record, isRunning: [own, ...rereads].some(({ isRunning }) => isRunning) };
}

async function rereadOne(api: BatchApi, before: EndedRecord, signal: AbortSignal): Promise<Reread | null> {
  let now: ApiBatch | null;
  try {
    now = await api.readBatch(before.batchId, { signal });
  } catch (error) {
    // A server without this call, or one that refuses it for good, adds no information.
    if (error instanceof ApplicationFailure && error.type === FailureType.RequestRefused)
      return { record: before, isRunning: false };
    throw error;
  }
  if (now === null) return null;
  // The latest ids are right: some servers return ids before the batch ends, and other ones afterwards.
  const record = {
    ...before,
    ran: before.ran || now.ran,
    outputFileId: now.outputFileId ?? before.outputFileId,
    errorFileId: now.errorFileId ?? before.errorFileId,
  };
  return { record, isRunning: now.unknownStatus === null && !isTerminal(now.status) };
}
