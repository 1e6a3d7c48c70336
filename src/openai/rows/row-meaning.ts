/**
 * How a line ends: the classification of the rows of output and error files.
 *
 * Rows are assigned by `custom_id`; counts and the batch's status say nothing about a single line
 * (seen: `completed` batches with status 0 rows, with missing rows, with both files absent).
 */

/** What a row of an output or error file says about its line. */
export interface RowFacts {
  /** HTTP status inside the row; null when the request never ran. */
  readonly statusCode: number | null;
  /** Code of the row's own error or of the error in the response's body; null when there is none. */
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  /** True when `response.body` is an object without an error in it. */
  readonly bodyIsAnswer: boolean;
  /** False when no more of the row can be read than the line that it names. */
  readonly isReadable: boolean;
}

/** What follows for the line. */
export const RowMeaning = {
  /** It has its answer. */
  Answered: 'answered',
  /** It will never have one: the request itself is at fault. */
  Failed: 'failed',
  /** Try again; this try counts. */
  Retry: 'retry',
  /** Try again; this try was never run and does not count. */
  RetryFree: 'retry_free',
  /** Try again when the account accepts requests again; this try counts nowhere. */
  AccountRefused: 'account_refused',
  /** It was answered and paid, and the answer cannot be read: it is never bought again. */
  Unreadable: 'unreadable',
} as const;
export type RowMeaning = (typeof RowMeaning)[keyof typeof RowMeaning];

/** Errors of requests that never ran. Spec, BatchRequestOutput.error.code. */
const neverRan: ReadonlySet<string> = new Set(['batch_expired', 'batch_cancelled']);

/** The table: which row means what. */
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

/** True when the account's money or its key is at its end; a refusal that names a model concerns the line alone. */
function isAccountRefusal(status: number | null, code: string | null): boolean {
  if (code !== null && /billing|insufficient_quota/i.test(code)) return true;
  if (code !== null && /model/i.test(code)) return false;
  return status === 401 || status === 402;
}

/** Errors in the body of a 200 row that the same request would meet again. */
const hopeless: ReadonlySet<string> = new Set([
  'context_length_exceeded',
  'invalid_prompt',
  'invalid_request_error',
  'invalid_image',
  'model_not_found',
]);

function classifyBodyError(code: string): RowMeaning {
  return hopeless.has(code) ? RowMeaning.Failed : RowMeaning.Retry;
}

function isRetryableStatus(status: number): boolean {
  return status === 0 || status === 408 || status === 409 || status === 429 || status >= 500;
}
