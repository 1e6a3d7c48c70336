import type OpenAI from 'openai';
import type { BatchErrorEntry, BatchStatus } from '../core/batch-status.ts';
import { readMetadata, type BatchMetadata } from './batch-metadata.ts';
import { countsOf, isText, readStatus, type BatchCounts } from './status.ts';

/** A batch object of the API, in one form for all known servers. */
export interface ApiBatch {
  readonly id: string;
  /** Seconds since 1970 by the API's clock, as sent: some servers omit it. */
  readonly createdAt: number;
  /** Null if the object has no input file id, as in summaries. */
  readonly inputFileId: string | null;
  /** Null if the object has no metadata, as in summaries. */
  readonly metadata: BatchMetadata | null;
  readonly status: BatchStatus;
  /** The server's status if it is not a known one, else null; replaced if it is not printable. */
  readonly unknownStatus: string | null;
  readonly counts: BatchCounts;
  /** Time from creation to expiry, in ms by the API's clock; null if not known. */
  readonly windowMs: number | null;
  readonly outputFileId: string | null;
  readonly errorFileId: string | null;
  /** False only if no line of it can have run. */
  readonly ran: boolean;
  /** Why it failed. */
  readonly errors: readonly BatchErrorEntry[];
  readonly times: BatchTimes;
  /** True for a list entry without files and errors, even if the batch has some. */
  readonly isSummary: boolean;
}

/** Seconds since 1970 by the API's clock; null if not known. */
export interface BatchTimes {
  readonly inProgressAt: number | null;
  readonly finalizingAt: number | null;
  readonly endedAt: number | null;
}

/** Reads a batch object. It never throws: a missing or invalid value is null, or as documented for `ApiBatch`. */
export function toApiBatch(batch: OpenAI.Batch): ApiBatch {
  const { status, unknown } = readStatus(batch);
  return {
    id: batch.id,
    createdAt: batch.created_at,
    inputFileId: typeof batch.input_file_id === 'string' ? batch.input_file_id : null,
    metadata: readMetadata(batch.metadata),
    status,
    unknownStatus: unknown,
    counts: countsOf(batch),
    windowMs: windowOf(batch),
    // A file id may be null, missing or "".
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

/** Low or missing counts prove nothing: some servers run every line and count none. */
function hasRun(batch: OpenAI.Batch): boolean {
  const { in_progress_at: since, cancelling_at: cancelled, failed_at: refused } = batch;
  const { completed, failed } = countsOf(batch);
  // Null, not missing: the batch was cancelled or refused during validation.
  const neverBegan =
    (since as number | null | undefined) === null &&
    ((cancelled ?? 0) > 0 || (refused ?? 0) > 0) &&
    completed + failed === 0;
  return !neverBegan;
}
