import type { FastifyRequest } from 'fastify';
import { headerOf } from './api-call.ts';
import { ApiError } from './api-error.ts';

/** With any value, it shows that a POST was not sent by an HTML form. */
const ADMIN_HEADER = 'x-emulator-admin';

const LOOPBACK: readonly string[] = ['127.0.0.1', 'localhost', '[::1]'];

/**
 * Throws 403 or 415 for requests of web pages of other origins, so that they cannot read or change faults, clock or state.
 * Such requests name another origin, and without a preflight they cannot send JSON. Other programs send neither header.
 */
export function assertSameOrigin(request: FastifyRequest): void {
  // With DNS rebinding, a page of another host reaches this server as its own origin, but still sends its own host name.
  const host = headerOf(request, 'host');
  if (host !== undefined && !LOOPBACK.includes(hostnameOf(host)))
    throw new ApiError(
      403,
      'The routes of the emulator accept only the hosts 127.0.0.1, localhost and [::1].',
    );
  if (request.method === 'GET' || request.method === 'HEAD') return;
  const origin = headerOf(request, 'origin');
  if (origin !== undefined && !isThisServer(origin, host))
    throw new ApiError(403, 'The routes of the emulator accept no requests from other origins.');
  const site = headerOf(request, 'sec-fetch-site');
  if (site !== undefined && site !== 'same-origin' && site !== 'none')
    throw new ApiError(403, `The routes of the emulator accept no requests from other origins (${site}).`);
  if (request.method !== 'POST' || headerOf(request, ADMIN_HEADER) !== undefined) return;
  const type = headerOf(request, 'content-type');
  if (type === undefined ? hasBody(request) : !/^application\/json\b/i.test(type))
    throw new ApiError(
      415,
      `Send the content type application/json, or the header ${ADMIN_HEADER} with any value.`,
    );
}

/** Whether the origin is this server under a loopback name; any other name may belong to another page. */
function isThisServer(origin: string, host: string | undefined): boolean {
  if (!URL.canParse(origin)) return false;
  const { host: named, hostname } = new URL(origin);
  return named === host && LOOPBACK.includes(hostname);
}

function hostnameOf(host: string): string {
  return URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : '';
}

function hasBody(request: FastifyRequest): boolean {
  const length = headerOf(request, 'content-length');
  return headerOf(request, 'transfer-encoding') !== undefined || (length !== undefined && length !== '0');
}
