import type { BatchErrorEntry, BatchStatus } from '../../core/batch-status.ts';
import type { ApiBatch, BatchTimes } from '../../openai/api-batch.ts';

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

/** The parts of a batch that decide something. */
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
