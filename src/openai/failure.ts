import { ApplicationFailure } from '@temporalio/common';
import { APIConnectionError, APIError, APIUserAbortError, OpenAIError } from 'openai';
import { failureMeaning, FailureType } from '../core/failure.ts';
import { failureTypeOf, printableCode } from './refusal.ts';

/** What somebody who reads a failure may do about it; most of them mend themselves. */
const advice = {
  retried: "tried again by itself; if it lasts, look at the API's status page and the network of the workers",
  key: 'set OPENAI_API_KEY of the workers to a valid key of the right project',
  rights: "give the key's project the right to this call",
  billing: "mend the account's billing",
  refused: 'it would be refused again: fix what the code names, in the input or the options',
  tooLarge: 'the shard is halved and sent again; a line that is too large alone ends `failed`',
  allowance: 'the shard waits for the token allowance and is sent again by itself',
  file: 'the batch is created again by itself, and its file uploaded again',
  proxy: 'tried again by itself; if it lasts, look at OPENAI_BASE_URL and at proxies on the way',
} as const;

/**
 * Turns what the API or the SDK threw into the failure that decides about retries: the only place that does.
 * The message names the call and the status; it never holds a key, a URL or the server's text, which may quote a prompt.
 */
export function toFailure(error: unknown, call: string): unknown {
  if (!(error instanceof APIError)) {
    // The SDK read an answer that is no JSON, and the parser's message quotes it.
    if (error instanceof SyntaxError) return notTheApi(call);
    if (!(error instanceof OpenAIError)) return error;
    // The SDK refused to make the call: it would refuse again.
    return ApplicationFailure.create({
      type: FailureType.RequestRefused,
      message: `${call}: ${error.message.replace(/\.$/, '')}; ${advice.refused}`,
      nonRetryable: true,
    });
  }
  if (error instanceof APIUserAbortError) return error;
  const { status, code, type } = error as APIError & { status?: number; code?: string | null; type?: string };
  const reason = printableCode(code) ?? printableCode(type);
  const text = `${call}: ${status === undefined ? `no answer (${causeCode(error)})` : `HTTP ${status}`}${reason === null ? '' : ` ${reason}`}`;
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

/** The errors that failures were made of; a `cause` would travel into Temporal's history with the server's text. */
const errorsOf = new WeakMap<ApplicationFailure, APIError>();

const MAX_API_TEXT = 2_000;

/**
 * The message of the server's refusal, at most 2,000 characters; takes the SDK's error or the failure that `toFailure`
 * made of it. For the store only: it may quote a prompt.
 */
export function apiText(error: unknown): string | null {
  const cause = apiErrorOf(error);
  if (!(cause instanceof APIError) || cause.status === undefined) return null;
  const text = cause.message.replace(/^\d{3} /, '').trim();
  return text === '' || text === 'status code (no body)' ? null : text.slice(0, MAX_API_TEXT);
}

/** An answer with a status of success that is not the API's: a proxy's page, or cut off. What it was asked may have been done. */
export function notTheApi(call: string): ApplicationFailure {
  return apiTrouble(`${call}: the answer is not one of the Batch API`);
}

/** An answer that cannot be worked with although the API said that all is well. */
export function apiTrouble(what: string): ApplicationFailure {
  return ApplicationFailure.create({ type: FailureType.ApiTrouble, message: `${what}; ${advice.proxy}` });
}

/**
 * True when the server has said that the request was refused and therefore did nothing; takes the SDK's error or the failure that
 * `toFailure` made of it.
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

/** True when the API does not have the thing: HTTP 404, or 410. */
export function isNotFound(error: unknown): boolean {
  return error instanceof APIError && (error.status === 404 || error.status === 410);
}

/** True when a server that speaks the Batch API has no such call: 404, 405 or 501. */
export function isNoSuchCall(error: unknown): boolean {
  return error instanceof APIError && (error.status === 404 || error.status === 405 || error.status === 501);
}

/** True for a failure that no retry can change. */
export function isFinal(error: unknown): error is ApplicationFailure {
  return error instanceof ApplicationFailure && error.nonRetryable === true;
}

/** True for the refusal of the key or the account. */
export function isAccountRefused(error: unknown): error is ApplicationFailure {
  return error instanceof ApplicationFailure && error.type === FailureType.AccountRefused;
}

/**
 * The id of what a call has made.
 * @throws ApplicationFailure (try again) when there is none: a proxy answered "fine" in the server's place
 */
export function idOf(answer: unknown, call: string): string {
  const id = typeof answer === 'object' && answer !== null ? (answer as { id?: unknown }).id : undefined;
  if (typeof id === 'string' && id !== '') return id;
  throw notTheApi(call);
}

/** Wraps one call of the API. */
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

/** The server's wish for the next attempt: `retry-after-ms`, `retry-after` in seconds or as a date; at most ten minutes. */
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
