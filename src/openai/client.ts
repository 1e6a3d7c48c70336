import OpenAI from 'openai';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { observedFetch, type ApiCall } from './api-calls.ts';
import { throughProxy } from './proxy-fetch.ts';
import { streamedUploads } from './upload-fetch.ts';

/** The SDK's client, which a user may pass; only this folder calls it. */
export type { OpenAI };

/**
 * Creates the SDK's client for activities, without retries: a repeated POST can create a second batch, and Temporal retries.
 * Key and base URL come from the SDK's own environment variables. `onCall` is called after every API call.
 * @throws BatchError `api_refused` when the key is missing or contains an invalid character; `api_unreachable` when the base URL
 * or a proxy variable is not a valid address
 */
export function createApi(onCall?: (call: ApiCall) => void): OpenAI {
  const key = process.env['OPENAI_API_KEY']?.trim() ?? '';
  // Such a key cannot be sent as a header, and the error of `fetch` would quote it.
  if (/[^\x21-\x7e]/.test(key)) {
    throw new BatchError(
      ErrorCode.ApiRefused,
      'OPENAI_API_KEY contains a line break, a space or another character that is not valid in a key: set it to the key only.',
    );
  }
  assertBaseUrl(process.env['OPENAI_BASE_URL']?.trim() ?? '');
  const send = streamedUploads(throughProxy(fetch));
  try {
    return new OpenAI({
      maxRetries: 0,
      logLevel: 'off',
      fetch: onCall === undefined ? send : observedFetch(onCall, send),
    });
  } catch (error) {
    throw new BatchError(
      ErrorCode.ApiRefused,
      'No API key: set OPENAI_API_KEY to a key of the project that pays.',
      { cause: error },
    );
  }
}

/** The SDK would report an invalid URL only with its first call, and quote it; it may contain credentials. */
function assertBaseUrl(url: string): void {
  const isHttp = URL.canParse(url) && ['http:', 'https:'].includes(new URL(url).protocol);
  if (url === '' || isHttp) return;
  throw new BatchError(
    ErrorCode.ApiUnreachable,
    'OPENAI_BASE_URL is not an address that begins with https:// or http://: write it as https://HOST/v1.',
  );
}
