import OpenAI, { APIConnectionTimeoutError } from 'openai';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { tellingFetch, type ApiCall } from './api-calls.ts';
import { leanUploads } from './upload-fetch.ts';

/**
 * The SDK's client as activities need it: without retries, since a retried POST can create a second batch, and
 * Temporal retries anyway. Key and base URL come from the SDK's own environment variables.
 * `onCall` is told of every call.
 * @throws BatchError `api_refused` when there is no key, or none that can be sent
 */
export function createApi(onCall?: (call: ApiCall) => void): OpenAI {
  const key = process.env['OPENAI_API_KEY']?.trim() ?? '';
  // Such a key cannot be a header, and the error that says so would quote it.
  if (/[^\x21-\x7e]/.test(key)) {
    throw new BatchError(
      ErrorCode.ApiRefused,
      'OPENAI_API_KEY holds a line break, a space or another character that no key has: set it to the key alone.',
    );
  }
  const sending = leanUploads(fetch);
  try {
    return new OpenAI({
      maxRetries: 0,
      logLevel: 'off',
      fetch: onCall === undefined ? sending : tellingFetch(onCall, sending),
    });
  } catch (error) {
    throw new BatchError(
      ErrorCode.ApiRefused,
      'No API key: set OPENAI_API_KEY to a key of the project that shall pay.',
      { cause: error },
    );
  }
}

/** A wrong address is reported within this time. */
const CHECK_MS = 15_000;

/**
 * Asks the API for one batch, so that a wrong key or address is reported before anything is started. A server need not have
 * a list: where it is not found, or does not answer, the server is asked whether it creates batches.
 * @throws BatchError `api_refused` or `api_unreachable`
 */
export async function checkApi(api: OpenAI): Promise<void> {
  const host = hostOf(api.baseURL);
  const error = await errorOf(api.batches.list({ limit: 1 }, { timeout: CHECK_MS }));
  const hangs = error instanceof APIConnectionTimeoutError;
  const lacks = hangs || error?.status === 404 || error?.status === 501;
  // Without the id of a file it makes no batch: a server that has the call refuses it.
  const answer = lacks ? await errorOf(api.post('/batches', { body: {}, timeout: CHECK_MS })) : error;
  const status = answer?.status;
  if (status === 401 || status === 403) {
    throw new BatchError(
      ErrorCode.ApiRefused,
      `${host} refused the API key (HTTP ${status}): set OPENAI_API_KEY to a valid key of the right project.`,
    );
  }
  if (answer !== null && status === undefined) {
    throw new BatchError(
      ErrorCode.ApiUnreachable,
      `Cannot reach the API at ${host}: check OPENAI_BASE_URL and the network.`,
    );
  }
  if (lacks && (status === 404 || status === 405 || status === 501)) {
    throw new BatchError(
      ErrorCode.ApiUnreachable,
      `${host} has no Batch API there (HTTP ${status}): check OPENAI_BASE_URL, which ends in /v1.`,
    );
  }
  // Anything else passes: activities retry it, or work without the list.
}

/** The error of a call of the API; null when it has none. An answer that is no JSON passes: its status says success. */
async function errorOf(call: Promise<unknown>): Promise<(Error & { status?: number }) | null> {
  try {
    await call;
    return null;
  } catch (error) {
    return error instanceof SyntaxError ? null : (error as Error & { status?: number });
  }
}

/** Host and port only: a base URL may hold credentials. */
function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'the configured base URL';
}
