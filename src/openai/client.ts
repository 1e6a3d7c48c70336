import OpenAI from 'openai';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { tellingFetch, type ApiCall } from './api-calls.ts';
import { throughProxy } from './proxy-fetch.ts';
import { leanUploads } from './upload-fetch.ts';

/** The SDK's client, where a user may pass one; nothing but this folder calls it. */
export type { OpenAI };

/**
 * The SDK's client as activities need it: without retries, since a retried POST can create a second batch, and
 * Temporal retries anyway. Key and base URL come from the SDK's own environment variables.
 * `onCall` is told of every call.
 * @throws BatchError `api_refused` when there is no key, or none that can be sent; `api_unreachable` when the base URL is none,
 * or a proxy's variable is no address
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
  assertBaseUrl(process.env['OPENAI_BASE_URL']?.trim() ?? '');
  const sending = leanUploads(throughProxy(fetch));
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

/** The SDK tells of a wrong one with its first call only, and quotes it; it may hold credentials. */
function assertBaseUrl(url: string): void {
  const isHttp = URL.canParse(url) && ['http:', 'https:'].includes(new URL(url).protocol);
  if (url === '' || isHttp) return;
  throw new BatchError(
    ErrorCode.ApiUnreachable,
    'OPENAI_BASE_URL is no address that begins with https:// or http://: write it as https://HOST/v1.',
  );
}
