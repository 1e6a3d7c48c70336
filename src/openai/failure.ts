import { ApplicationFailure } from '@temporalio/common';
import { APIConnectionError, APIError, APIUserAbortError, OpenAIError } from 'openai';
import { failureMeaning, FailureType } from '../core/failure.ts';
import { failureTypeOf, printableCode } from './refusal.ts';

/** What the operator can do about a failure; most are handled automatically. */
const advice = {
  retried:
    "retried automatically; if it persists, check the API's status page and the network of the workers",
  key: 'set OPENAI_API_KEY of the workers to a valid key of the right project',
  rights: "give the key's project the permission for this call",
  billing: "fix the account's billing",
  refused: 'it would be refused again: fix what the code names, in the input or the options',
  tooLarge: 'the shard is halved and sent again; a single line that is too large ends as `failed`',
  allowance: 'the shard waits for the token allowance and is sent again automatically',
  file: 'the file is uploaded and the batch created again automatically',
  proxy: 'retried automatically; if it persists, check OPENAI_BASE_URL and the proxies between',
} as const;

/**
 * Converts an error of the API or the SDK to the failure that decides about retries. Nothing else does so.
 * The message contains the call and the status, but no key, no URL, and no text of the server, which may quote a prompt.
 */
export function toFailure(error: unknown, call: string): unknown {
  if (!(error instanceof APIError)) {
    // The response was not JSON, and the parser's message quotes it.
    if (error instanceof SyntaxError) return unexpectedResponse(call);
    if (!(error instanceof OpenAIError)) return error;
    // The SDK refused to make the call, and would refuse again.
    return ApplicationFailure.create({
      type: FailureType.RequestRefused,
      message: `${call}: ${error.message.replace(/\.$/, '')}; ${advice.refused}`,
      nonRetryable: true,
    });
  }
  if (error instanceof APIUserAbortError) return error;
  const { status, code, type } = error as APIError & { status?: number; code?: string | null; type?: string };
  const reason = printableCode(code) ?? printableCode(type);
  const text = `${call}: ${status === undefined ? `no response (${causeCode(error)})` : `HTTP ${status}`}${reason === null ? '' : ` ${reason}`}`;
  const failureType = failureTypeOf(call, status, reason, error);
  const failure = ApplicationFailure.create({
    type: failureType,
    message: `${text}; ${adviceOn(failureType, status)}`,
    nonRetryable: failureMeaning[failureType].final,
    details: [{ status: status ?? null, code: reason }],
    ...retryDelay(error),
  });
  errorsOf.set(failure, error);
  return failure;
}

/** The errors from which failures were created. A `cause` would put the server's text into Temporal's history. */
const errorsOf = new WeakMap<ApplicationFailure, APIError>();

const MAX_API_TEXT = 2_000;

/**
 * Returns the server's message in a refusal, at most 2,000 characters; takes the SDK's error or the failure that `toFailure`
 * created from it. For the store only: it may quote a prompt.
 */
export function apiText(error: unknown): string | null {
  const cause = apiErrorOf(error);
  if (!(cause instanceof APIError) || cause.status === undefined) return null;
  const text = cause.message.replace(/^\d{3} /, '').trim();
  return text === '' || text === 'status code (no body)' ? null : text.slice(0, MAX_API_TEXT);
}

/** The failure for a success response that is not the API's, such as a proxy's page, or is truncated. The API may have handled the request. */
export function unexpectedResponse(call: string): ApplicationFailure {
  return apiTrouble(`${call}: the response is not one of the Batch API`);
}

/** The failure for an unusable response with a status of success. */
export function apiTrouble(what: string): ApplicationFailure {
  return ApplicationFailure.create({ type: FailureType.ApiTrouble, message: `${what}; ${advice.proxy}` });
}

/**
 * True when the server refused the request and therefore did nothing; takes the SDK's error or the failure that `toFailure`
 * created from it.
 */
export function isRefusal(error: unknown): boolean {
  const cause = apiErrorOf(error);
  return (
    cause instanceof APIError &&
    !(cause instanceof APIConnectionError) &&
    cause.status !== undefined &&
    cause.status >= 400 &&
    cause.status < 500 &&
    cause.status !== 408
  );
}

function apiErrorOf(error: unknown): unknown {
  return error instanceof ApplicationFailure ? errorsOf.get(error) : error;
}

/** True when the API does not have the object: HTTP 404 or 410. */
export function isNotFound(error: unknown): boolean {
  return error instanceof APIError && (error.status === 404 || error.status === 410);
}

/** True when the server does not implement the call: HTTP 404, 405 or 501. */
export function isNoSuchCall(error: unknown): boolean {
  return error instanceof APIError && (error.status === 404 || error.status === 405 || error.status === 501);
}

/** True for a failure that is not retried. */
export function isFinal(error: unknown): error is ApplicationFailure {
  return error instanceof ApplicationFailure && error.nonRetryable === true;
}

/** True when the API refused the key or the account. */
export function isAccountRefused(error: unknown): error is ApplicationFailure {
  return error instanceof ApplicationFailure && error.type === FailureType.AccountRefused;
}

/**
 * Returns the id of the object that a call has created.
 * @throws ApplicationFailure (retryable) when there is none: a proxy has responded in place of the server
 */
export function idOf(response: unknown, call: string): string {
  const id =
    typeof response === 'object' && response !== null ? (response as { id?: unknown }).id : undefined;
  if (typeof id === 'string' && id !== '') return id;
  throw unexpectedResponse(call);
}

/** Makes one API call; converts its error with `toFailure`. */
export async function callApi<T>(call: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw toFailure(error, call);
  }
}

function adviceOn(type: FailureType, status: number | undefined): string {
  switch (type) {
    case FailureType.AccountRefused:
      if (status === 401) return advice.key;
      return status === 403 ? advice.rights : advice.billing;
    case FailureType.RequestRefused:
      return advice.refused;
    case FailureType.InputTooLarge:
      return advice.tooLarge;
    case FailureType.AllowanceExhausted:
      return advice.allowance;
    case FailureType.InputFileLost:
      return advice.file;
    case FailureType.ApiTrouble:
    case FailureType.BatchNotListed:
    case FailureType.AnswersNotReady:
    case FailureType.BatchUnknown:
    case FailureType.StoreTrouble:
    case FailureType.WorkerBusy:
    case FailureType.BadInput:
    case FailureType.OtherApi:
    case FailureType.OtherStore:
    case FailureType.EarlierRunUnfinished:
    case FailureType.EarlierAnswersGone:
    case FailureType.RunConflict:
      return advice.retried;
    default:
      return type satisfies never;
  }
}

/** Returns the delay that the server requests: `retry-after-ms`, or `retry-after` in seconds or as a date; at most ten minutes. */
function retryDelay(error: APIError): { nextRetryDelay?: number } {
  const headers = error.headers;
  const inMs = Number.parseFloat(headers?.get?.('retry-after-ms') ?? '');
  if (inMs > 0) return { nextRetryDelay: Math.min(inMs, 600_000) };
  const after = headers?.get?.('retry-after');
  if (after === null || after === undefined || after === '') return {};
  const seconds = Number.parseFloat(after);
  const ms = Number.isNaN(seconds) ? Date.parse(after) - Date.now() : seconds * 1_000;
  return ms > 0 ? { nextRetryDelay: Math.min(ms, 600_000) } : {};
}

function causeCode(error: APIError): string {
  let cause: unknown = error;
  for (let depth = 0; depth < 4 && typeof cause === 'object' && cause !== null; depth += 1) {
    const code = (cause as { code?: unknown }).code;
    if (typeof code === 'string') return code;
    cause = (cause as { cause?: unknown }).cause;
  }
  return error.constructor.name;
}
