import type OpenAI from 'openai';
import { BatchStatus } from '../core/batch-status.ts';

/** Statuses of other servers with a Batch API, in lower case with `_` as separator; some servers send capitals. */
const synonyms: Readonly<Record<string, BatchStatus>> = {
  created: BatchStatus.InProgress,
  submitted: BatchStatus.InProgress,
  pending: BatchStatus.InProgress,
  queued: BatchStatus.InProgress,
  scheduled: BatchStatus.InProgress,
  running: BatchStatus.InProgress,
  processing: BatchStatus.InProgress,
  canceling: BatchStatus.Cancelling,
  succeeded: BatchStatus.Completed,
  success: BatchStatus.Completed,
  done: BatchStatus.Completed,
  finished: BatchStatus.Completed,
  complete: BatchStatus.Completed,
  error: BatchStatus.Failed,
  failure: BatchStatus.Failed,
  timeout: BatchStatus.Expired,
  timeout_exceeded: BatchStatus.Expired,
  canceled: BatchStatus.Cancelled,
};

/** The API's counts: for progress only, never to decide about a line. */
export interface BatchCounts {
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
}

/** The status of a batch object. */
interface BatchStatusReading {
  readonly status: BatchStatus;
  /** The server's status if it is not a known one, else null; replaced if it is not printable. */
  readonly unknown: string | null;
}

/**
 * Reads the status of a batch object. A batch with an unknown status counts as completed if it has a file and its counts cover all
 * lines; otherwise as in progress, so that nothing is bought again on a guess.
 */
export function readStatus(batch: OpenAI.Batch): BatchStatusReading {
  const known = knownStatus(batch.status);
  if (known !== null) return { status: known, unknown: null };
  const hasFile = isText(batch.output_file_id) || isText(batch.error_file_id);
  const { total, completed, failed } = countsOf(batch);
  // Some servers send no counts; counts of zero are those of a batch that has just started.
  const hasNoCounts = typeof batch.request_counts !== 'object' || batch.request_counts === null;
  const isOver = hasFile && (hasNoCounts || (total > 0 && completed + failed >= total));
  return {
    status: isOver ? BatchStatus.Completed : BatchStatus.InProgress,
    unknown: printable(batch.status),
  };
}

/** Maps a server's status to ours; null if it is not known. */
function knownStatus(status: unknown): BatchStatus | null {
  const lower =
    typeof status === 'string'
      ? status
          .trim()
          .toLowerCase()
          .replaceAll(/[\s-]+/g, '_')
      : '';
  if ((Object.values(BatchStatus) as string[]).includes(lower)) return lower as BatchStatus;
  return Object.hasOwn(synonyms, lower) ? synonyms[lower]! : null;
}

/** Reads the counts of a batch object; a count that is not a number is 0. */
export function countsOf({ request_counts: counts }: OpenAI.Batch): BatchCounts {
  const sent = (typeof counts === 'object' && counts !== null ? counts : {}) as Record<string, unknown>;
  return { total: count(sent['total']), completed: count(sent['completed']), failed: count(sent['failed']) };
}

function count(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

/** True for a string that is not empty: an id without value may be null, missing or "". */
export function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

/** Restricts an unknown status, since it is recorded in Temporal's history and shown on terminals. */
function printable(status: unknown): string {
  if (status === undefined || status === null || status === '') return '(none)';
  return typeof status === 'string' && /^[\w .:-]{1,40}$/.test(status) ? status : '(not printable)';
}
