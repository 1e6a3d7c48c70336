import { Runtime } from '@temporalio/worker';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { OpenAI } from '../openai/client.ts';
import { readWebhookEvent, type WebhookEvent } from '../openai/webhook-event.ts';
import { fastify } from './http-server.ts';
import type { JobMetrics, WebhookResult } from './job-metrics.ts';
import { listenError, type ListenAddress } from './listen-address.ts';
import type { Woken } from './wake-job.ts';

/** What receives events. */
export interface WebhookServerOptions {
  readonly address: ListenAddress;
  /** The signing secret of the webhook, `whsec_…`. */
  readonly secret: string;
  /** Verifies signatures. */
  readonly api: OpenAI;
  readonly metrics: JobMetrics;
}

/** A server that listens, and answers 503 until it knows how to wake jobs. */
export interface WebhookServer extends AsyncDisposable {
  serve(wake: (batchId: string) => Promise<Woken>): void;
}

/** Where events are to be sent. */
export const WEBHOOK_PATH = '/webhooks/openai';

/** An event is some 200 bytes. */
const BODY_BYTES = 64 * 1_024;

/** Deliveries remembered to tell repeated ones: more than an account can end batches (2,000 an hour) within the 5 minutes that a signature holds. */
const REMEMBERED = 10_000;

/** How long a client may take for its request. */
const REQUEST_MS = 10_000;

/**
 * Receives OpenAI's events of ended batches.
 *
 * An event is answered 2xx when the job's wake-up is on record at Temporal, or when it is none of ours; so nothing that
 * was answered is lost with this process. While the API or Temporal is away it is answered 503, for OpenAI to send it
 * again; the job's own polls go on meanwhile.
 * @throws BatchError `bad_option` when nothing can listen at the address
 */
export async function startWebhookServer(options: WebhookServerOptions): Promise<WebhookServer> {
  const desk = new WebhookDesk(options);
  const app = createApp(desk);
  try {
    await app.listen({ host: options.address.host, port: options.address.port });
  } catch (error) {
    await app.close();
    throw listenError(options.address, error as NodeJS.ErrnoException);
  }
  return {
    serve: (wake) => desk.serve(wake),
    [Symbol.asyncDispose]: () => app.close(),
  };
}

function createApp(desk: WebhookDesk): FastifyInstance {
  const app = fastify({
    bodyLimit: BODY_BYTES,
    requestTimeout: REQUEST_MS,
    connectionTimeout: REQUEST_MS,
    forceCloseConnections: 'idle',
    routerOptions: { ignoreTrailingSlash: true },
  });
  app.removeAllContentTypeParsers();
  // The signature is of the bytes: nothing may parse and print them again.
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    const status = error.statusCode ?? 500;
    if (status === 413) return desk.refuse(reply, 413, 'too_large', `the body is over ${BODY_BYTES} bytes`);
    if (status >= 500) return desk.refuse(reply, 500, 'unavailable', 'a fault of this program');
    return desk.refuse(reply, status, 'bad_request', 'the request is not HTTP as it should be');
  });
  app.post(WEBHOOK_PATH, (request, reply) => desk.receive(request, reply));
  app.setNotFoundHandler((request, reply) => {
    const isHere = request.url.split('?')[0]?.replace(/\/+$/, '') === WEBHOOK_PATH;
    return isHere
      ? desk.refuse(reply.header('allow', 'POST'), 405, 'bad_request', 'events are received by POST')
      : desk.refuse(reply, 404, 'bad_request', `events are received by POST at ${WEBHOOK_PATH}`);
  });
  return app;
}

/** What becomes of each call. */
class WebhookDesk {
  private readonly options: WebhookServerOptions;
  /** Deliveries that were answered 2xx or are being looked after, the oldest first. */
  private readonly known = new Map<string, Promise<Woken>>();
  private wake: ((batchId: string) => Promise<Woken>) | null = null;

  constructor(options: WebhookServerOptions) {
    this.options = options;
  }

  serve(wake: (batchId: string) => Promise<Woken>): void {
    this.wake = wake;
  }

  async receive(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { api, secret } = this.options;
    const body = Buffer.isBuffer(request.body) ? request.body.toString('utf8') : '';
    const event = await readWebhookEvent(api, secret, body, (name) => {
      const value = request.headers[name];
      return Array.isArray(value) ? value[0] : value;
    });
    if ('refused' in event) return this.refuse(reply, event.status, event.refused, event.reason);
    if (event.batchId === null) return this.accept(reply, event, 'other_event');
    if (this.wake === null) return this.refuseForNow(reply, event, 'the worker is starting');
    const before = this.known.get(event.deliveryId);
    const waking = before ?? this.remember(event.deliveryId, this.wake(event.batchId));
    try {
      const { result, ...found } = await waking;
      return this.accept(reply, event, before === undefined ? result : 'repeated', found);
    } catch (error) {
      this.known.delete(event.deliveryId); // it has to come again, and then to be looked after
      return this.refuseForNow(reply, event, (error as Error).name);
    }
  }

  refuse(reply: FastifyReply, status: number, result: WebhookResult, reason: string): FastifyReply {
    this.options.metrics.webhook(result);
    Runtime.instance().logger.warn('webhook refused', { event: 'webhook_refused', result, status, reason });
    return reply.code(status).send({ error: reason });
  }

  private refuseForNow(reply: FastifyReply, { type, batchId }: WebhookEvent, reason: string): FastifyReply {
    this.options.metrics.webhook('unavailable');
    Runtime.instance().logger.warn('webhook has to come again', {
      event: 'webhook_unavailable',
      type,
      batchId,
      reason,
    });
    return reply.code(503).header('retry-after', '5').send({ error: 'try again' });
  }

  private accept(
    reply: FastifyReply,
    { type, batchId }: WebhookEvent,
    result: WebhookResult,
    found: Omit<Woken, 'result'> = {},
  ): FastifyReply {
    this.options.metrics.webhook(result);
    Runtime.instance().logger.info('webhook received', {
      event: 'webhook_received',
      type,
      batchId,
      result,
      ...found,
    });
    return reply.code(200).send({ result });
  }

  private remember(deliveryId: string, waking: Promise<Woken>): Promise<Woken> {
    const [oldest] = this.known.keys();
    if (this.known.size >= REMEMBERED && oldest !== undefined) this.known.delete(oldest);
    this.known.set(deliveryId, waking);
    return waking;
  }
}
