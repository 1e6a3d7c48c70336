import type OpenAI from 'openai';
import type { BatchErrorEntry, BatchStatus } from '../core/batch-status.ts';
import { countsOf, isText, shownStatus } from './shown-status.ts';

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

/** The parts of a batch object that decide something, in the forms that servers are known to send. */
export function toEndedRecord(batch: OpenAI.Batch): EndedRecord {
  const data: unknown = Array.isArray(batch.errors) ? batch.errors : batch.errors?.data;
  const list = (Array.isArray(data) ? data : []) as Partial<Record<keyof OpenAI.BatchError, unknown>>[];
  return {
    batchId: batch.id,
    status: shownStatus(batch).status,
    // Absent files are null, missing or "" on the wire.
    outputFileId: isText(batch.output_file_id) ? batch.output_file_id : null,
    errorFileId: isText(batch.error_file_id) ? batch.error_file_id : null,
    completed: countsOf(batch).completed,
    ran: hasRun(batch),
    errors: list
      .filter((entry) => typeof entry === 'object' && entry !== null)
      .map(({ code, message, param, line }) => ({
        code: textOf(code) ?? 'unknown',
        message: textOf(message) ?? '',
        param: textOf(param),
        line: typeof line === 'number' ? line : null,
      })),
    times: {
      inProgressAt: secondsOf(batch.in_progress_at),
      finalizingAt: secondsOf(batch.finalizing_at),
      endedAt: secondsOf(batch.completed_at || batch.failed_at || batch.expired_at || batch.cancelled_at),
    },
  };
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : null;
}

function secondsOf(time: unknown): number | null {
  return typeof time === 'number' && time > 0 ? time : null;
}

/** Counts that are low, or missing, say nothing: some servers have run every line and count none. */
function hasRun(batch: OpenAI.Batch): boolean {
  const { in_progress_at: since, cancelling_at: cancelled, failed_at: refused } = batch;
  const { completed, failed } = countsOf(batch);
  // Null, and not left out: it was cancelled or refused while it was validated.
  const neverBegan =
    (since as number | null | undefined) === null &&
    ((cancelled ?? 0) > 0 || (refused ?? 0) > 0) &&
    completed + failed === 0;
  return !neverBegan;
}
