import type OpenAI from 'openai';
import type { BatchErrorEntry, BatchStatus } from '../core/batch-status.ts';
import { readLabels, type BatchLabels } from './labels.ts';
import { countsOf, isText, shownStatus, type BatchCounts } from './status.ts';

/** A batch as the API shows it, in the forms that servers are known to send. */
export interface ApiBatch {
  readonly id: string;
  /** Seconds since 1970 by the API's clock, as it was sent: some servers leave it out. */
  readonly createdAt: number;
  /** Null where it does not say of which file it was made, as summaries do. */
  readonly inputFileId: string | null;
  /** Null where it does not say what it carries, as summaries do. */
  readonly labels: BatchLabels | null;
  readonly status: BatchStatus;
  /** The server's word for the status where that is not known; a word that may not be shown is replaced. */
  readonly unknownStatus: string | null;
  readonly counts: BatchCounts;
  /** How long the API gives the batch, in ms by its own clock; null when it does not say. */
  readonly windowMs: number | null;
  readonly outputFileId: string | null;
  readonly errorFileId: string | null;
  /** False when nothing says that a line of it ever ran. */
  readonly ran: boolean;
  /** Why it has failed. */
  readonly errors: readonly BatchErrorEntry[];
  readonly times: BatchTimes;
  /** True of an entry of a list that says nothing of files and errors, also where the batch has some. */
  readonly isSummary: boolean;
}

/** Seconds since 1970 by the API's clock; null where it does not say. */
export interface BatchTimes {
  readonly inProgressAt: number | null;
  readonly finalizingAt: number | null;
  readonly endedAt: number | null;
}

/** Reads a batch object. It never fails: what is missing or no such value is null, or as said above. */
export function toApiBatch(batch: OpenAI.Batch): ApiBatch {
  const { status, unknown } = shownStatus(batch);
  return {
    id: batch.id,
    createdAt: batch.created_at,
    inputFileId: typeof batch.input_file_id === 'string' ? batch.input_file_id : null,
    labels: readLabels(batch.metadata),
    status,
    unknownStatus: unknown,
    counts: countsOf(batch),
    windowMs: windowOf(batch),
    // Absent files are null, missing or "" on the wire.
    outputFileId: isText(batch.output_file_id) ? batch.output_file_id : null,
    errorFileId: isText(batch.error_file_id) ? batch.error_file_id : null,
    ran: hasRun(batch),
    errors: errorsOf(batch),
    times: {
      inProgressAt: secondsOf(batch.in_progress_at),
      finalizingAt: secondsOf(batch.finalizing_at),
      endedAt: secondsOf(batch.completed_at || batch.failed_at || batch.expired_at || batch.cancelled_at),
    },
    isSummary: !('output_file_id' in batch || 'errors' in batch),
  };
}

function windowOf({ created_at: from, expires_at: to }: OpenAI.Batch): number | null {
  return typeof to === 'number' && to > from ? (to - from) * 1_000 : null;
}

function errorsOf({ errors }: OpenAI.Batch): BatchErrorEntry[] {
  const data: unknown = Array.isArray(errors) ? errors : errors?.data;
  const list = (Array.isArray(data) ? data : []) as Partial<Record<keyof OpenAI.BatchError, unknown>>[];
  return list
    .filter((entry) => typeof entry === 'object' && entry !== null)
    .map(({ code, message, param, line }) => ({
      code: textOf(code) ?? 'unknown',
      message: textOf(message) ?? '',
      param: textOf(param),
      line: typeof line === 'number' ? line : null,
    }));
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
