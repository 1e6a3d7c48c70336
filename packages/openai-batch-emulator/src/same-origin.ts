import type { FastifyRequest } from 'fastify';
import { headerOf } from './api-call.ts';
import { ApiError } from './api-error.ts';

/** Any value of it says that a POST was not made by a form. */
const ADMIN_HEADER = 'x-emulator-admin';

const LOOPBACK: readonly string[] = ['127.0.0.1', 'localhost', '[::1]'];

/**
 * Keeps web pages from reading or changing faults, clock or state: their requests name an origin that is not this server, and
 * what they may send without asking first has no JSON. Other programs send neither header.
 */
export function assertSameOrigin(request: FastifyRequest): void {
  // A page of another name whose address was changed to ours (DNS rebinding) is of its own origin, and names that host.
  const host = headerOf(request, 'host');
  if (host !== undefined && !LOOPBACK.includes(hostnameOf(host)))
    throw new ApiError(403, 'The routes of the emulator are reached as 127.0.0.1 or localhost only.');
  if (request.method === 'GET' || request.method === 'HEAD') return;
  const origin = headerOf(request, 'origin');
  if (origin !== undefined && !isThisServer(origin, host))
    throw new ApiError(403, 'The routes of the emulator take no requests of other origins.');
  const site = headerOf(request, 'sec-fetch-site');
  if (site !== undefined && site !== 'same-origin' && site !== 'none')
    throw new ApiError(403, `The routes of the emulator take no requests of other origins (${site}).`);
  if (request.method !== 'POST' || headerOf(request, ADMIN_HEADER) !== undefined) return;
  const type = headerOf(request, 'content-type');
  if (type === undefined ? hasBody(request) : !/^application\/json\b/i.test(type))
    throw new ApiError(
      415,
      `Send the content type application/json, or the header ${ADMIN_HEADER} with any value.`,
    );
}

/** A name that leads here from elsewhere is no loopback name: the page behind it is not ours. */
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
