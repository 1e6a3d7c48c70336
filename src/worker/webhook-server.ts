import { Runtime } from '@temporalio/worker';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { OpenAI } from '../openai/client.ts';
import { readWebhookEvent, type WebhookEvent } from '../openai/webhook-event.ts';
import { fastify } from './http-server.ts';
import type { JobMetrics, WebhookResult } from './job-metrics.ts';
import { listenError, type ListenAddress } from './listen-address.ts';
import type { WakeResult } from './wake-job.ts';

/** Options of `startWebhookServer`. */
export interface WebhookServerOptions {
  readonly address: ListenAddress;
  /** The signing secret of the webhook, `whsec_…`. */
  readonly secret: string;
  /** Verifies signatures. */
  readonly api: OpenAI;
  readonly metrics: JobMetrics;
}

/** A server that listens at once, and responds with 503 until `serve` is called. */
export interface WebhookServer extends AsyncDisposable {
  serve(wake: (batchId: string) => Promise<WakeResult>): void;
}

/** The path to which OpenAI sends events. */
export const WEBHOOK_PATH = '/webhooks/openai';

/** An event has about 200 bytes. */
const BODY_BYTES = 64 * 1_024;

/** Deliveries remembered to detect repeated ones: more than the batches of an account (2,000 an hour) within the 5 minutes for which a signature is valid. */
const REMEMBERED = 10_000;

/** How long a client may take to send its request. */
const REQUEST_MS = 10_000;

/**
 * Starts the server that receives OpenAI's events of ended batches.
 *
 * The response is 2xx when Temporal has recorded the signal to the job, or when the batch is not ours: no acknowledged event
 * is lost if this process dies. While the API or Temporal is unavailable the response is 503, so that OpenAI sends the event
 * again; the job's regular polls continue meanwhile.
 * @throws BatchError `bad_option` when the address cannot be used
 */
export async function startWebhookServer(options: WebhookServerOptions): Promise<WebhookServer> {
  const handler = new WebhookHandler(options);
  const app = createApp(handler);
  try {
    await app.listen({ host: options.address.host, port: options.address.port });
  } catch (error) {
    await app.close();
    throw listenError(options.address, error as NodeJS.ErrnoException);
  }
  return {
    serve: (wake) => handler.serve(wake),
    [Symbol.asyncDispose]: () => app.close(),
  };
}

function createApp(handler: WebhookHandler): FastifyInstance {
  const app = fastify({
    bodyLimit: BODY_BYTES,
    requestTimeout: REQUEST_MS,
    connectionTimeout: REQUEST_MS,
    forceCloseConnections: 'idle',
    routerOptions: { ignoreTrailingSlash: true },
  });
  app.removeAllContentTypeParsers();
  // The signature covers the bytes: the body must not be parsed and serialized again.
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    const status = error.statusCode ?? 500;
    if (status === 413)
      return handler.refuse(reply, 413, 'too_large', `the body is over ${BODY_BYTES} bytes`);
    if (status >= 500) return handler.refuse(reply, 500, 'unavailable', 'internal error');
    return handler.refuse(reply, status, 'bad_request', 'the HTTP request is malformed');
  });
  app.post(WEBHOOK_PATH, (request, reply) => handler.receive(request, reply));
  app.setNotFoundHandler((request, reply) => {
    const isHere = request.url.split('?')[0]?.replace(/\/+$/, '') === WEBHOOK_PATH;
    return isHere
      ? handler.refuse(reply.header('allow', 'POST'), 405, 'bad_request', 'events are received by POST')
      : handler.refuse(reply, 404, 'bad_request', `events are received by POST at ${WEBHOOK_PATH}`);
  });
  return app;
}

/** Handles the requests to the webhook address. */
class WebhookHandler {
  private readonly options: WebhookServerOptions;
  /** Deliveries that are acknowledged or in progress, the oldest first. */
  private readonly known = new Map<string, Promise<WakeResult>>();
  private wake: ((batchId: string) => Promise<WakeResult>) | null = null;

  constructor(options: WebhookServerOptions) {
    this.options = options;
  }

  serve(wake: (batchId: string) => Promise<WakeResult>): void {
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
      this.known.delete(event.deliveryId); // OpenAI sends it again, and then it must be handled
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
    Runtime.instance().logger.warn('webhook not handled, OpenAI has to send it again', {
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
    found: Omit<WakeResult, 'result'> = {},
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

  private remember(deliveryId: string, waking: Promise<WakeResult>): Promise<WakeResult> {
    const [oldest] = this.known.keys();
    if (this.known.size >= REMEMBERED && oldest !== undefined) this.known.delete(oldest);
    this.known.set(deliveryId, waking);
    return waking;
  }
}
