import type { BatchErrorEntry, BatchStatus } from '../../core/batch-status.ts';
import type { ApiBatch, BatchTimes } from '../../openai/api-batch.ts';

/** The record of a batch that has ended. */
export interface EndedRecord {
  readonly batchId: string;
  readonly status: BatchStatus;
  readonly outputFileId: string | null;
  readonly errorFileId: string | null;
  readonly completed: number;
  /** False if no line of it is known to have run: then it needs no files. */
  readonly ran: boolean;
  readonly errors: readonly BatchErrorEntry[];
  /** Its duplicates, which have ended too: their answers count. */
  readonly duplicates?: readonly EndedRecord[];
  /** The times of its statuses, for the report; absent from records of version 0.1. */
  readonly times?: BatchTimes;
}

/** Returns the record of a batch. */
export function toEndedRecord(batch: ApiBatch): EndedRecord {
  const { id, status, outputFileId, errorFileId, counts, ran, errors, times } = batch;
  return {
    batchId: id,
    status,
    outputFileId,
    errorFileId,
    completed: counts.completed,
    ran,
    errors,
    times,
  };
}
