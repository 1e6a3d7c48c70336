/**
 * The API's batch statuses and what became of a batch, as our workflow needs to know it.
 * Statuses: OpenAPI spec, Batch.status (21 Aug 2026). Other providers print them in capitals.
 */
export const BatchStatus = {
  Validating: 'validating',
  InProgress: 'in_progress',
  Finalizing: 'finalizing',
  Cancelling: 'cancelling',
  Completed: 'completed',
  Failed: 'failed',
  Expired: 'expired',
  Cancelled: 'cancelled',
} as const;
export type BatchStatus = (typeof BatchStatus)[keyof typeof BatchStatus];

/** Words of servers that speak the Batch API in their own way, in lower case with `_` between words. */
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

/** A server's word for a status as ours; null for a word that is not known. */
export function knownBatchStatus(word: unknown): BatchStatus | null {
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

/** A server's word for a status as ours; an unknown word means "still running", so that nothing is bought again on a guess. */
export function parseBatchStatus(word: unknown): BatchStatus {
  return knownBatchStatus(word) ?? BatchStatus.InProgress;
}

/** True when the batch will not change any more. */
export function isTerminal(status: BatchStatus): boolean {
  switch (status) {
    case 'completed':
    case 'failed':
    case 'expired':
    case 'cancelled':
      return true;
    case 'validating':
    case 'in_progress':
    case 'finalizing':
    case 'cancelling':
      return false;
    default:
      return status satisfies never;
  }
}

/** Why a whole batch was refused during validation, as far as it decides what the shard does next. */
export const BatchRefusal = {
  /** `token_limit_exceeded`: wait for allowance, then create again. */
  TokenLimit: 'token_limit',
  /** The input file was not visible to the batch: create again on the same file, then upload again. */
  FileNotFound: 'file_not_found',
  /** Billing: pause the job. */
  Billing: 'billing',
} as const;
export type BatchRefusal = (typeof BatchRefusal)[keyof typeof BatchRefusal];

/** One entry of a failed batch's `errors.data`. */
export interface BatchErrorEntry {
  readonly code: string;
  readonly message: string;
  readonly param: string | null;
  /** 1-based line of the batch's input file; null when the whole batch is meant. */
  readonly line: number | null;
}

/**
 * Tells the refusals after which the same lines may go again as they are from those that name bad lines (null).
 * Messages: `Enqueued token limit reached for …` (openai-python#2084), `Cannot find file …, or organization …`.
 */
export function refusalOf(entries: readonly BatchErrorEntry[]): BatchRefusal | null {
  for (const { code, message, line } of entries) {
    // What is said of a line may quote its prompt.
    const text = line === null ? message : '';
    if (code === 'token_limit_exceeded' || /enqueued token/i.test(text)) return BatchRefusal.TokenLimit;
    if (/billing|insufficient_quota/i.test(code) || /billing hard limit/i.test(text))
      return BatchRefusal.Billing;
    if (line === null && (/cannot find file/i.test(text) || code === 'file_not_found'))
      return BatchRefusal.FileNotFound;
  }
  return null;
}
