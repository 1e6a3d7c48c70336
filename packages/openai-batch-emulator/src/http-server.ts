import fastify from 'fastify';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { addAdminRoutes } from './admin-routes.ts';
import { assertSameOrigin } from './same-origin.ts';
import { ApiError, htmlPage, toEnvelope } from './api-error.ts';
import { keyOf } from './api-call.ts';
import { addBatchRoutes } from './batch-routes.ts';
import type { EmulatedApi } from './emulated-api.ts';
import { addFileRoutes } from './file-routes.ts';
import { addModelRoutes } from './model-routes.ts';
import { newRequestId } from './object-ids.ts';
import { addUploadRoutes } from './upload-routes.ts';

/** JSON bodies are small: the largest lists the parts of an upload. */
const JSON_BODY_BYTES = 8 * 1024 * 1024;

/** Creates the HTTP server of the emulator; it does not listen yet. */
export function createHttpServer(api: EmulatedApi): FastifyInstance {
  const app = fastify({
    bodyLimit: JSON_BODY_BYTES,
    forceCloseConnections: true,
    // A test may stop a client for long; the requests that it sends afterwards must arrive.
    keepAliveTimeout: 600_000,
    routerOptions: { ignoreTrailingSlash: true },
  });

  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    try {
      done(null, body === '' ? {} : JSON.parse(body as string));
    } catch {
      done(new ApiError(400, COULD_NOT_PARSE));
    }
  });
  // Routes read multipart bodies from the raw stream; bodies of other types are ignored.
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));

  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', newRequestId());
    if (!request.url.startsWith('/v1/')) return assertSameOrigin(request);
    reply.header('openai-version', '2020-10-01');
    assertAuthorized(request, api.options.apiKey);
  });
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    const refusal = error instanceof ApiError ? error : new ApiError(error.statusCode ?? 500, error.message);
    reply.code(refusal.status).headers(refusal.headers);
    if (refusal.html) return reply.type('text/html').send(htmlPage(refusal.status, refusal.message));
    return reply.send(toEnvelope(refusal));
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0];
    return reply.code(404).send(toEnvelope(new ApiError(404, `Invalid URL (${request.method} ${path})`)));
  });

  addFileRoutes(app, api);
  addUploadRoutes(app, api);
  addBatchRoutes(app, api);
  addModelRoutes(app, api);
  addAdminRoutes(app, api);
  return app;
}

const COULD_NOT_PARSE =
  'We could not parse the JSON body of your request. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.';

function assertAuthorized(request: FastifyRequest, apiKey: string | undefined): void {
  const given = keyOf(request);
  if (apiKey !== undefined && given !== apiKey)
    throw new ApiError(401, `Incorrect API key provided: ${masked(given)}.`, { code: 'invalid_api_key' });
}

function masked(key: string): string {
  return key.length <= 8 ? '********' : `${key.slice(0, 4)}****${key.slice(-4)}`;
}
