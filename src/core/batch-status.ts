/**
 * The status of a batch, on which workflows decide; `openai/status.ts` maps what servers send to it.
 * Statuses: OpenAPI spec, Batch.status (21 Aug 2026).
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

/** True for a status that does not change any more. */
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

/** Why validation refused a whole batch, where the reason decides what happens to the shard. */
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
  /** 1-based line of the batch's input file; null for an error of the whole batch. */
  readonly line: number | null;
}
