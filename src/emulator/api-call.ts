import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify';
import type { Account } from './account.ts';
import { faultsOfCall, FAULT_HEADER, interferences } from './call-faults.ts';
import type { StruckFaults } from './call-faults.ts';
import { sendDownload } from './download.ts';
import type { Download } from './download.ts';
import type { CallKind, FaultMoment } from './fault-rule.ts';

/** What a call does: changes the account and says what to answer. */
export type CallWork = (request: FastifyRequest, faults: StruckFaults) => unknown;

/** An answer that is a file instead of an object; `onSent` is told when the last byte is out. */
export class DownloadAnswer {
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
  account: Account,
  call: CallKind,
  method: HTTPMethods,
  url: string,
  work: CallWork,
): void {
  app.route({
    method,
    url,
    exposeHeadRoute: false,
    onRequest: async (request) => account.calls.begun(call, headerOf(request, 'idempotency-key')),
    onResponse: async (_request, reply) => account.calls.answered(call, reply.statusCode),
    handler: async (request, reply) => {
      const faults = faultsOfCall(call, headerOf(request, FAULT_HEADER), account.faults);
      if (await interfere(faults, 'before', account, call, request, reply)) return reply;
      const answer = await work(request, faults);
      if (await interfere(faults, 'after', account, call, request, reply)) return reply;
      if (!(answer instanceof DownloadAnswer)) return answer;
      return download(answer, account, call, reply);
    },
  });
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
  faults: StruckFaults,
  moment: FaultMoment,
  account: Account,
  call: CallKind,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<boolean> {
  for (const interference of interferences(faults.call, moment)) {
    switch (interference.kind) {
      case 'reset':
        reply.hijack();
        account.calls.unanswered(call);
        request.raw.socket.resetAndDestroy();
        return true;
      case 'hold':
        if (interference.ms === undefined) {
          reply.hijack();
          account.calls.unanswered(call);
          return true;
        }
        await delay(interference.ms, undefined, { ref: false });
        break;
      case 'answer':
        reply.code(interference.status).headers(interference.headers).type(interference.contentType);
        await reply.send(interference.body);
        return true;
      default:
        interference satisfies never;
    }
  }
  return false;
}

async function download(
  answer: DownloadAnswer,
  account: Account,
  call: CallKind,
  reply: FastifyReply,
): Promise<FastifyReply> {
  for (const [name, value] of Object.entries(reply.getHeaders()))
    if (value !== undefined) reply.raw.setHeader(name, value);
  reply.hijack();
  try {
    if (await sendDownload(reply.raw, answer.download)) {
      answer.onSent();
      account.calls.answered(call, 200);
    } else account.calls.unanswered(call);
  } catch {
    // The client went away, or the file did: either way there is nobody left to tell.
    account.calls.unanswered(call);
    reply.raw.destroy();
  }
  return reply;
}
