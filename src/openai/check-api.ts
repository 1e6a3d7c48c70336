import type OpenAI from 'openai';
import { APIConnectionTimeoutError } from 'openai';
import { BatchError, ErrorCode } from '../core/errors.ts';

/** A wrong address is reported within this time. */
const CHECK_MS = 15_000;

/**
 * Requests one batch of the list, so that a wrong key or address is reported before a job starts. Some servers have no list: if
 * the list is not found or does not respond, `POST /batches` is tried with an invalid request.
 * @throws BatchError `api_refused` or `api_unreachable`
 */
export async function checkApi(api: OpenAI): Promise<void> {
  const host = hostOf(api.baseURL);
  // A redirected POST becomes a GET, or loses the key: if redirects were followed here, creating a batch would fail later.
  const options = { timeout: CHECK_MS, fetchOptions: { redirect: 'manual' } } as const;
  const error = await errorOf(api.batches.list({ limit: 1 }, options));
  const timedOut = error instanceof APIConnectionTimeoutError;
  const hasNoList = timedOut || error?.status === 404 || error?.status === 501;
  // Without the id of a file this creates no batch: a server with the Batch API refuses it.
  const response = hasNoList ? await errorOf(api.post('/batches', { body: {}, ...options })) : error;
  const status = response?.status;
  if (status === 401 || status === 403) {
    throw new BatchError(
      ErrorCode.ApiRefused,
      `${host} refused the API key (HTTP ${status}): set OPENAI_API_KEY to a valid key of the right project.`,
    );
  }
  if (status !== undefined && status >= 300 && status < 400) {
    const to = hostOf(response?.headers?.get('location') ?? '', api.baseURL);
    throw new BatchError(
      ErrorCode.ApiUnreachable,
      `${host} redirects to ${to} (HTTP ${status}): set OPENAI_BASE_URL to the final address; paid requests do not follow redirects.`,
    );
  }
  if (response !== null && status === undefined) {
    const code = causeOf(response);
    throw new BatchError(
      ErrorCode.ApiUnreachable,
      tlsAdvice(host, code) ??
        `Cannot reach the API at ${host}${code === null ? '' : ` (${code})`}: check OPENAI_BASE_URL and the network.`,
    );
  }
  if (hasNoList && (status === 404 || status === 405 || status === 501)) {
    throw new BatchError(
      ErrorCode.ApiUnreachable,
      `${host} has no Batch API at this address (HTTP ${status}): check OPENAI_BASE_URL, which must end in /v1.`,
    );
  }
  // Any other error is accepted here: activities retry it, or work without the list.
}

/** An error of the SDK. */
type CallError = Error & { status?: number; headers?: Headers };

/** Returns the error of an API call, or null. A response that is not JSON counts as success: its status is one of success. */
async function errorOf(call: Promise<unknown>): Promise<CallError | null> {
  try {
    await call;
    return null;
  } catch (error) {
    return error instanceof SyntaxError ? null : (error as CallError);
  }
}

/** Returns host and port only: a base URL may contain credentials. */
function hostOf(url: string, base?: string): string {
  return URL.canParse(url, base) ? new URL(url, base).host : 'the configured base URL';
}

/** Returns the error code of the system or of TLS, which is nested in two other errors; null without one. */
function causeOf(error: unknown): string | null {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException;
    if (typeof code === 'string' && /^[A-Z][A-Z0-9_]+$/.test(code)) return code;
  }
  return null;
}

/** Returns what to do about a server's certificate; null for any other error. */
function tlsAdvice(host: string, code: string | null): string | null {
  if (code === null) return null;
  const what = `The TLS certificate of ${host}`;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `${what} is for another host (${code}): set OPENAI_BASE_URL to the host that it names.`;
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID')
    return `${what} is not valid now (${code}): have it renewed, or correct this machine's clock.`;
  return /SELF_SIGNED_CERT|UNABLE_TO_(VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT)|CERT_UNTRUSTED|CERT_SIGNATURE/.test(
    code,
  )
    ? `${what} is not trusted (${code}): set NODE_EXTRA_CA_CERTS to a file with the certificate of the authority that signed it.`
    : null;
}
