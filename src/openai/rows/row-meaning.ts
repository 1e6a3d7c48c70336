/**
 * The classification of the rows of output and error files.
 *
 * Rows are assigned by `custom_id`. Counts and the batch's status do not show the result of a single line (observed: `completed`
 * batches with status 0 rows, with missing rows, without both files).
 */

/** The content of a row of an output or error file. */
export interface RowFacts {
  /** HTTP status inside the row; null when the request never ran. */
  readonly statusCode: number | null;
  /** Code of the row's own error or of the error in the response's body; null when there is none. */
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  /** True if `response.body` is an object without an error. */
  readonly bodyIsAnswer: boolean;
  /** False if only the line's number can be read. */
  readonly isReadable: boolean;
}

/** The result for the line. */
export const RowMeaning = {
  /** The line has its answer. */
  Answered: 'answered',
  /** The request itself is wrong: the line will never have an answer. */
  Failed: 'failed',
  /** Retry; this attempt counts. */
  Retry: 'retry',
  /** Retry; the request never ran, and this attempt does not count. */
  RetryFree: 'retry_free',
  /** Retry when the account accepts requests again; this attempt does not count. */
  AccountRefused: 'account_refused',
  /** The answer was paid, but cannot be read: the line is never bought again. */
  Unreadable: 'unreadable',
} as const;
export type RowMeaning = (typeof RowMeaning)[keyof typeof RowMeaning];

/** Errors of requests that never ran. Spec, BatchRequestOutput.error.code. */
const neverRan: ReadonlySet<string> = new Set(['batch_expired', 'batch_cancelled']);

/** Returns the result for the line of a row. */
export function meaningOf(row: RowFacts): RowMeaning {
  if (!row.isReadable) return RowMeaning.Unreadable;
  const { statusCode: status, errorCode: code } = row;
  if (code !== null && neverRan.has(code)) return RowMeaning.RetryFree;
  if (isAccountRefusal(status, code)) return RowMeaning.AccountRefused;
  if (status === null) return RowMeaning.Retry;
  if (status >= 200 && status < 300) {
    if (row.bodyIsAnswer) return RowMeaning.Answered;
    return code === null ? RowMeaning.Unreadable : classifyBodyError(code);
  }
  if (isRetryableStatus(status)) return RowMeaning.Retry;
  return status >= 400 && status < 500 ? RowMeaning.Failed : RowMeaning.Retry;
}

/** True when the API refused the account or its key; a refusal that names a model concerns the line only. */
function isAccountRefusal(status: number | null, code: string | null): boolean {
  if (code !== null && /billing|insufficient_quota/i.test(code)) return true;
  if (code !== null && /model/i.test(code)) return false;
  return status === 401 || status === 402;
}

/** Errors in the body of a 200 row that the same request would cause again. */
const permanentErrors: ReadonlySet<string> = new Set([
  'context_length_exceeded',
  'invalid_prompt',
  'invalid_request_error',
  'invalid_image',
  'model_not_found',
]);

function classifyBodyError(code: string): RowMeaning {
  return permanentErrors.has(code) ? RowMeaning.Failed : RowMeaning.Retry;
}

function isRetryableStatus(status: number): boolean {
  return status === 0 || status === 408 || status === 409 || status === 429 || status >= 500;
}
