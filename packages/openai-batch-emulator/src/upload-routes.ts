import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import type { FastifyInstance } from 'fastify';
import { apiCall, bodyOf, paramOf } from './api-call.ts';
import { assertSize, resetDuring, sizeLimit } from './call-faults.ts';
import type { EmulatedApi } from './emulated-api.ts';
import { CallKind } from './faults/call-fault.ts';
import { readMultipart } from './multipart.ts';

/** The Uploads API. */
export function addUploadRoutes(app: FastifyInstance, api: EmulatedApi): void {
  const { options } = api;

  apiCall(app, api, CallKind.uploadsCreate, 'POST', '/v1/uploads', (request, faults, { uploads }) => {
    const body = bodyOf(request);
    assertSize(faults.call, body['bytes']);
    return uploads.create(body);
  });

  apiCall(
    app,
    api,
    CallKind.uploadsParts,
    'POST',
    '/v1/uploads/:id/parts',
    async (request, faults, account) => {
      const id = paramOf(request, 'id');
      account.uploads.assertPending(id);
      const path = account.incomingPath(randomUUID());
      await readMultipart(request.raw, {
        fileField: 'data',
        path,
        maxBytes: options.maxPartBytes,
        limit: sizeLimit(faults.call),
        resetAfterBytes: resetDuring(faults.call),
      });
      try {
        return await account.uploads.addPart(id, path);
      } catch (error) {
        await rm(path, { force: true });
        throw error;
      }
    },
  );

  apiCall(
    app,
    api,
    CallKind.uploadsComplete,
    'POST',
    '/v1/uploads/:id/complete',
    (request, faults, { uploads }) => uploads.complete(paramOf(request, 'id'), bodyOf(request), faults.file),
  );

  apiCall(
    app,
    api,
    CallKind.uploadsCancel,
    'POST',
    '/v1/uploads/:id/cancel',
    (request, _faults, { uploads }) => uploads.cancel(paramOf(request, 'id')),
  );
}
