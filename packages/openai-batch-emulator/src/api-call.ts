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

/** What a call does: changes the account of its key and says what to answer. */
export type CallHandler = (request: FastifyRequest, faults: FaultsOfRequest, account: Account) => unknown;

/** An answer that is a file instead of an object; `onSent` is told when all of it goes out. */
export class DownloadResponse {
  readonly download: Download;
  readonly onSent: () => void;

  constructor(download: Download, onSent: () => void) {
    this.download = download;
    this.onSent = onSent;
  }
}

/**
 * Registers one call of the API. Faults are let in at the two moments that matter to a client: before the work, when
 * nothing has happened, and after it, when all has happened and only the answer is lost.
 */
export function apiCall(
  app: FastifyInstance,
  api: EmulatedApi,
  call: CallKind,
  method: HTTPMethods,
  url: string,
  work: CallHandler,
): void {
  /** Calls whose answer is still to be counted; those a fault or a download takes over count themselves. */
  const open = new WeakSet<FastifyRequest>();
  app.route({
    method,
    url,
    exposeHeadRoute: false,
    onRequest: async (request) => {
      open.add(request);
      api.calls.begun(call, headerOf(request, 'idempotency-key'));
    },
    // Counted before the answer leaves, so that a client that has it finds it counted.
    onSend: async (request, reply) => {
      if (!open.has(request)) return;
      if (request.raw.socket.destroyed) api.calls.unanswered(call);
      else api.calls.answered(call, reply.statusCode);
    },
    handler: async (request, reply) => {
      const faults = findFaults(call, headerOf(request, FAULT_HEADER), api.faults);
      const takeOver = (): void => {
        open.delete(request);
        reply.hijack();
      };
      const unanswered = (): void => {
        takeOver();
        api.calls.unanswered(call);
      };
      if (await interfere(faults, 'before', unanswered, request, reply)) return reply;
      const answer = await work(request, faults, await api.accountOf(keyOf(request)));
      if (await interfere(faults, 'after', unanswered, request, reply)) return reply;
      if (!(answer instanceof DownloadResponse)) return answer;
      takeOver();
      let whole = false;
      await sendRaw(answer.download, reply, () => {
        whole = true;
        api.calls.answered(call, 200);
        answer.onSent();
      });
      if (!whole) api.calls.unanswered(call);
      return reply;
    },
  });
}

/** The key a call comes with; throws the API's 401 without one. */
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

/** The body as an object: one that is not an object has no members, and is refused for the first that is missing. */
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

/** Says whether the call's answer has been dealt with. */
async function interfere(
  faults: FaultsOfRequest,
  moment: FaultMoment,
  unanswered: () => void,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<boolean> {
  for (const effect of effectsDue(faults.call, moment)) {
    switch (effect.kind) {
      case 'reset':
        unanswered();
        request.raw.socket.resetAndDestroy();
        return true;
      case 'hold':
        if (effect.ms === undefined) {
          unanswered();
          return true;
        }
        await delay(effect.ms, undefined, { ref: false });
        break;
      case 'answer':
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
    // The client went away, or the file did: either way there is nobody left to tell.
    reply.raw.destroy();
  }
}
