import type OpenAI from 'openai';
import { BatchStatus } from '../core/batch-status.ts';

/** Words of servers that speak the Batch API in their own way, in lower case with `_` between words; some print capitals. */
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

/** The API's own counts: for progress, never to decide anything about a line. */
export interface BatchCounts {
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
}

/** The status of a batch object, and the server's word for it where that is not known. */
interface ShownStatus {
  readonly status: BatchStatus;
  /** Null for a known word; a word that may not be shown is replaced. */
  readonly unknown: string | null;
}

/**
 * The status that a batch object shows. A batch whose word is not known has ended when it names a file and its counts say that all
 * lines are done; else it runs: nothing is bought again on a guess.
 */
export function shownStatus(batch: OpenAI.Batch): ShownStatus {
  const known = knownStatus(batch.status);
  if (known !== null) return { status: known, unknown: null };
  const namesFile = isText(batch.output_file_id) || isText(batch.error_file_id);
  const { total, completed, failed } = countsOf(batch);
  // Some servers send no counts at all; counts of zero are those of a batch that has just begun.
  const hasNone = typeof batch.request_counts !== 'object' || batch.request_counts === null;
  const isOver = namesFile && (hasNone || (total > 0 && completed + failed >= total));
  return {
    status: isOver ? BatchStatus.Completed : BatchStatus.InProgress,
    unknown: printable(batch.status),
  };
}

/** A server's word for a status as ours; null for a word that is not known. */
function knownStatus(word: unknown): BatchStatus | null {
  const lower =
    typeof word === 'string'
      ? word
          .trim()
          .toLowerCase()
          .replaceAll(/[\s-]+/g, '_')
      : '';
  if ((Object.values(BatchStatus) as string[]).includes(lower)) return lower as BatchStatus;
  return Object.hasOwn(synonyms, lower) ? synonyms[lower]! : null;
}

/** The counts of a batch object; 0 for what the server does not send as a number. */
export function countsOf({ request_counts: counts }: OpenAI.Batch): BatchCounts {
  const sent = (typeof counts === 'object' && counts !== null ? counts : {}) as Record<string, unknown>;
  return { total: count(sent['total']), completed: count(sent['completed']), failed: count(sent['failed']) };
}

function count(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

/** True for a text that is not empty: absent ids are null, missing or "" on the wire. */
export function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

/** It goes into Temporal's history and onto terminals. */
function printable(word: unknown): string {
  if (word === undefined || word === null || word === '') return '(none)';
  return typeof word === 'string' && /^[\w .:-]{1,40}$/.test(word) ? word : '(not printable)';
}
