/**
 * How a line ends: the classification of the rows of output and error files.
 *
 * Rows are assigned by `custom_id`; counts and the batch's status say nothing about a single line
 * (seen: `completed` batches with status 0 rows, with missing rows, with both files absent).
 */

/** What a row of an output or error file says about its line. */
export interface ResultRow {
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
export const Verdict = {
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
export type Verdict = (typeof Verdict)[keyof typeof Verdict];

/** Errors of requests that never ran. Spec, BatchRequestOutput.error.code. */
const neverRan: ReadonlySet<string> = new Set(['batch_expired', 'batch_cancelled']);

/** The table of the design: which row means what. */
export function classifyRow(row: ResultRow): Verdict {
  if (!row.isReadable) return Verdict.Unreadable;
  const { statusCode: status, errorCode: code } = row;
  if (code !== null && neverRan.has(code)) return Verdict.RetryFree;
  if (isAccountRefusal(status, code)) return Verdict.AccountRefused;
  if (status === null) return Verdict.Retry;
  if (status >= 200 && status < 300) {
    if (row.bodyIsAnswer) return Verdict.Answered;
    return code === null ? Verdict.Unreadable : classifyBodyError(code);
  }
  if (isRetryableStatus(status)) return Verdict.Retry;
  return status >= 400 && status < 500 ? Verdict.Failed : Verdict.Retry;
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

function classifyBodyError(code: string): Verdict {
  return hopeless.has(code) ? Verdict.Failed : Verdict.Retry;
}

function isRetryableStatus(status: number): boolean {
  return status === 0 || status === 408 || status === 409 || status === 429 || status >= 500;
}

/**
 * A code as it may stand in reports, histories and logs; `other` for what is no short word. They hold no text of the API,
 * which may quote a prompt, and some servers put it here.
 */
export function plainCode(code: string): string {
  return /^[A-Za-z0-9_.-]{1,64}$/.test(code) ? code : 'other';
}

/** What a try that gave no answer uses up. */
export const TryUse = {
  /** One of the line's attempts. */
  Attempt: 'attempt',
  /** Nothing, but a line goes again only so often that way: its batch expired or was cancelled by others. */
  Idle: 'idle',
  /** Nothing at all: the round made progress elsewhere, or a person has to act before the line goes again. */
  Nothing: 'nothing',
} as const;
export type TryUse = (typeof TryUse)[keyof typeof TryUse];

/** Lines whose tries never ran go again this often before they end `failed`, so that no job runs for ever. */
const MAX_IDLE_TRIES = 20;

/** What a line carries from one round to the next. */
export interface LineHistory {
  /** How often the line was put into a batch. */
  readonly sent: number;
  /** How many of those counted against `attempts`. */
  readonly charged: number;
  /** How many of those ended before the line ran, and nothing was gained by it. */
  readonly idle: number;
}

/** A line's history after one more try, and whether it may go again. */
export function afterTry(
  before: LineHistory,
  use: TryUse,
  attempts: number,
): LineHistory & { readonly again: boolean } {
  const sent = before.sent + 1;
  const charged = before.charged + (use === TryUse.Attempt ? 1 : 0);
  const idle = before.idle + (use === TryUse.Idle ? 1 : 0);
  return { sent, charged, idle, again: charged < attempts && idle < MAX_IDLE_TRIES };
}
