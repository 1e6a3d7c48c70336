import type OpenAI from 'openai';
import { APIConnectionTimeoutError } from 'openai';
import { BatchError, ErrorCode } from '../core/errors.ts';

/** A wrong address is reported within this time. */
const CHECK_MS = 15_000;

/**
 * Asks the API for one batch, so that a wrong key or address is reported before anything is started. A server need not have
 * a list: where it is not found, or does not answer, the server is asked whether it creates batches.
 * @throws BatchError `api_refused` or `api_unreachable`
 */
export async function checkApi(api: OpenAI): Promise<void> {
  const host = hostOf(api.baseURL);
  // A redirected POST becomes a GET, or arrives without the key: what follows redirects here would fail when something is bought.
  const options = { timeout: CHECK_MS, fetchOptions: { redirect: 'manual' } } as const;
  const error = await errorOf(api.batches.list({ limit: 1 }, options));
  const hangs = error instanceof APIConnectionTimeoutError;
  const lacks = hangs || error?.status === 404 || error?.status === 501;
  // Without the id of a file it makes no batch: a server that has the call refuses it.
  const answer = lacks ? await errorOf(api.post('/batches', { body: {}, ...options })) : error;
  const status = answer?.status;
  if (status === 401 || status === 403) {
    throw new BatchError(
      ErrorCode.ApiRefused,
      `${host} refused the API key (HTTP ${status}): set OPENAI_API_KEY to a valid key of the right project.`,
    );
  }
  if (status !== undefined && status >= 300 && status < 400) {
    const to = hostOf(answer?.headers?.get('location') ?? '', api.baseURL);
    throw new BatchError(
      ErrorCode.ApiUnreachable,
      `${host} redirects to ${to} (HTTP ${status}): set OPENAI_BASE_URL to the address that answers itself; requests that buy something are not redirected.`,
    );
  }
  if (answer !== null && status === undefined) {
    const code = causeOf(answer);
    throw new BatchError(
      ErrorCode.ApiUnreachable,
      tlsAdvice(host, code) ??
        `Cannot reach the API at ${host}${code === null ? '' : ` (${code})`}: check OPENAI_BASE_URL and the network.`,
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

/** What the SDK throws. */
type CallError = Error & { status?: number; headers?: Headers };

/** The error of a call of the API; null when it has none. An answer that is no JSON passes: its status says success. */
async function errorOf(call: Promise<unknown>): Promise<CallError | null> {
  try {
    await call;
    return null;
  } catch (error) {
    return error instanceof SyntaxError ? null : (error as CallError);
  }
}

/** Host and port only: a base URL may hold credentials. */
function hostOf(url: string, base?: string): string {
  return URL.canParse(url, base) ? new URL(url, base).host : 'the configured base URL';
}

/** The system's or TLS's word for what went wrong, which lies below two errors of others; null where there is none. */
function causeOf(error: unknown): string | null {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException;
    if (typeof code === 'string' && /^[A-Z][A-Z0-9_]+$/.test(code)) return code;
  }
  return null;
}

/** What to do about a server's certificate; null for other troubles. */
function tlsAdvice(host: string, code: string | null): string | null {
  if (code === null) return null;
  const what = `The TLS certificate of ${host}`;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `${what} is for another host (${code}): set OPENAI_BASE_URL to the host that it names.`;
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID')
    return `${what} does not hold at this time (${code}): have it renewed, or set this machine's clock.`;
  return /SELF_SIGNED_CERT|UNABLE_TO_(VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT)|CERT_UNTRUSTED|CERT_SIGNATURE/.test(
    code,
  )
    ? `${what} is not trusted (${code}): set NODE_EXTRA_CA_CERTS to a file with the certificate of the authority that signed it.`
    : null;
}
