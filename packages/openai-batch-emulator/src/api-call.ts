import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify';
import type { Account } from './account.ts';
import { ApiError } from './api-error.ts';
import { findFaults, FAULT_HEADER, effectsDue } from './call-faults.ts';
import type { FaultsOfRequest } from './call-faults.ts';
import { sendDownload } from './download.ts';
import type { Download } from './download.ts';
import type { EmulatedApi } from './emulated-api.ts';
import type { CallKind, FaultMoment } from './faults/call-fault.ts';

/** The work of a call: changes the account of its key and returns the body of the response. */
export type CallHandler = (request: FastifyRequest, faults: FaultsOfRequest, account: Account) => unknown;

/** A response that is a file; `onSent` is called when all of it is sent. */
export class DownloadResponse {
  readonly download: Download;
  readonly onSent: () => void;

  constructor(download: Download, onSent: () => void) {
    this.download = download;
    this.onSent = onSent;
  }
}

/**
 * Registers one call of the API. Faults apply at the two moments that matter to a client: before the work, when nothing
 * has changed, and after it, when everything has changed and only the response is lost.
 */
export function apiCall(
  app: FastifyInstance,
  api: EmulatedApi,
  call: CallKind,
  method: HTTPMethods,
  url: string,
  work: CallHandler,
): void {
  /** Calls whose response `onSend` counts; faults and downloads count theirs. */
  const counted = new WeakSet<FastifyRequest>();
  app.route({
    method,
    url,
    exposeHeadRoute: false,
    onRequest: async (request) => {
      counted.add(request);
      api.calls.countCall(call, headerOf(request, 'idempotency-key'));
    },
    // Counted before the response is sent, so that a client that has received it finds it counted.
    onSend: async (request, reply) => {
      if (!counted.has(request)) return;
      if (request.raw.socket.destroyed) api.calls.countUnanswered(call);
      else api.calls.countResponse(call, reply.statusCode);
    },
    handler: async (request, reply) => {
      const faults = findFaults(call, headerOf(request, FAULT_HEADER), api.faults);
      const takeOver = (): void => {
        counted.delete(request);
        reply.hijack();
      };
      const countUnanswered = (): void => {
        takeOver();
        api.calls.countUnanswered(call);
      };
      if (await applyFaults(faults, 'before', countUnanswered, request, reply)) return reply;
      const response = await work(request, faults, await api.accountOf(keyOf(request)));
      if (await applyFaults(faults, 'after', countUnanswered, request, reply)) return reply;
      if (!(response instanceof DownloadResponse)) return response;
      takeOver();
      let isComplete = false;
      await sendRaw(response.download, reply, () => {
        isComplete = true;
        api.calls.countResponse(call, 200);
        response.onSent();
      });
      if (!isComplete) api.calls.countUnanswered(call);
      return reply;
    },
  });
}

/** The API key of a call; throws the API's 401 without one. */
export function keyOf(request: FastifyRequest): string {
  const key = /^Bearer\s+(\S+)$/i.exec(headerOf(request, 'authorization') ?? '')?.[1];
  if (key === undefined)
    throw new ApiError(
      401,
      "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
    );
  return key;
}

export function headerOf(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** The body as an object. A body that is not an object counts as `{}`, and is refused for its first missing member. */
export function bodyOf(request: FastifyRequest): Record<string, unknown> {
  const { body } = request;
  return typeof body === 'object' && body !== null && !Array.isArray(body)
    ? (body as Record<string, unknown>)
    : {};
}

export function queryOf(request: FastifyRequest): Record<string, string | undefined> {
  return request.query as Record<string, string | undefined>;
}

export function paramOf(request: FastifyRequest, name: string): string {
  return (request.params as Record<string, string>)[name] ?? '';
}

/** Returns whether a fault has responded in place of the call. */
async function applyFaults(
  faults: FaultsOfRequest,
  moment: FaultMoment,
  countUnanswered: () => void,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<boolean> {
  for (const effect of effectsDue(faults.call, moment)) {
    switch (effect.kind) {
      case 'reset':
        countUnanswered();
        request.raw.socket.resetAndDestroy();
        return true;
      case 'hold':
        if (effect.ms === undefined) {
          countUnanswered();
          return true;
        }
        await delay(effect.ms, undefined, { ref: false });
        break;
      case 'response':
        reply.code(effect.status).headers(effect.headers).type(effect.contentType);
        await reply.send(effect.body);
        return true;
      default:
        effect satisfies never;
    }
  }
  return false;
}

async function sendRaw(download: Download, reply: FastifyReply, onComplete: () => void): Promise<void> {
  for (const [name, value] of Object.entries(reply.getHeaders()))
    if (value !== undefined) reply.raw.setHeader(name, value);
  try {
    await sendDownload(reply.raw, download, onComplete);
  } catch {
    // The client has closed the connection, or the file was deleted.
    reply.raw.destroy();
  }
}
