import OpenAI, { APIError } from 'openai';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { tellingFetch, type ApiCall } from './api-calls.ts';
import { leanUploads } from './upload-fetch.ts';

/**
 * The SDK's client as activities need it: without retries, since a retried POST can create a second batch, and
 * Temporal retries anyway. Key and base URL come from the SDK's own environment variables.
 * `onCall` is told of every call.
 * @throws BatchError `api_refused` when there is no key
 */
export function createApi(onCall?: (call: ApiCall) => void): OpenAI {
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

/**
 * Asks the API for one batch, so that a wrong key or address is told before anything is started.
 * @throws BatchError `api_refused` or `api_unreachable`
 */
export async function checkApi(api: OpenAI): Promise<void> {
  try {
    await api.batches.list({ limit: 1 }, { timeout: 15_000 });
  } catch (error) {
    const host = hostOf(api.baseURL);
    const status = error instanceof APIError ? (error as { status?: number }).status : undefined;
    if (status === 401 || status === 403) {
      throw new BatchError(
        ErrorCode.ApiRefused,
        `${host} refused the API key (HTTP ${status}): set OPENAI_API_KEY to a valid key of the right project.`,
      );
    }
    if (status === undefined) {
      throw new BatchError(
        ErrorCode.ApiUnreachable,
        `Cannot reach the API at ${host}: check OPENAI_BASE_URL and the network.`,
      );
    }
    if (status === 404 || status === 405) {
      throw new BatchError(
        ErrorCode.ApiUnreachable,
        `${host} has no Batch API there (HTTP ${status}): check OPENAI_BASE_URL, which ends in /v1.`,
      );
    }
    // Anything else (429, 5xx) passes: activities retry it.
  }
}

/** Host and port only: a base URL may hold credentials. */
function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'the configured base URL';
}
