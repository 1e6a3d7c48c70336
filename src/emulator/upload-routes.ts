import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import type { FastifyInstance } from 'fastify';
import type { Account } from './account.ts';
import { apiCall, bodyOf, paramOf } from './api-call.ts';
import { assertSize, resetDuring, sizeLimit } from './call-faults.ts';
import { CallKind } from './fault-rule.ts';
import { readMultipart } from './multipart.ts';

/** The Uploads API. */
export function addUploadRoutes(app: FastifyInstance, account: Account): void {
  const { uploads, options } = account;

  apiCall(app, account, CallKind.uploadsCreate, 'POST', '/v1/uploads', (request, faults) => {
    const body = bodyOf(request);
    assertSize(faults.call, body['bytes']);
    return uploads.create(body);
  });

  apiCall(app, account, CallKind.uploadsParts, 'POST', '/v1/uploads/:id/parts', async (request, faults) => {
    const id = paramOf(request, 'id');
    uploads.assertTakesParts(id);
    const path = account.incomingPath(randomUUID());
    await readMultipart(request.raw, {
      fileField: 'data',
      path,
      maxBytes: options.maxPartBytes,
      limit: sizeLimit(faults.call),
      resetAfterBytes: resetDuring(faults.call),
    });
    try {
      return await uploads.addPart(id, path);
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  });

  apiCall(app, account, CallKind.uploadsComplete, 'POST', '/v1/uploads/:id/complete', (request, faults) =>
    uploads.complete(paramOf(request, 'id'), bodyOf(request), faults.file),
  );

  apiCall(app, account, CallKind.uploadsCancel, 'POST', '/v1/uploads/:id/cancel', (request) =>
    uploads.cancel(paramOf(request, 'id')),
  );
}
