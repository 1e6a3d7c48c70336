import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import type { FastifyInstance } from 'fastify';
import { apiCall, DownloadAnswer, paramOf, queryOf } from './api-call.ts';
import { invalidValue } from './api-error.ts';
import { resetDuring, sizeLimit } from './call-faults.ts';
import type { EmulatedApi } from './emulated-api.ts';
import { CallKind } from './fault-rule.ts';
import { toFileObject } from './file-shelf.ts';
import { assertExpiresAfterFields, assertUploadPurpose } from './file-terms.ts';
import { listPage } from './list-page.ts';
import { readMultipart } from './multipart.ts';

const LIST_TERMS = { defaultLimit: 10_000, maxLimit: 10_000 };

/** The Files API. */
export function addFileRoutes(app: FastifyInstance, api: EmulatedApi): void {
  const { options } = api;

  apiCall(app, api, CallKind.filesCreate, 'POST', '/v1/files', async (request, faults, account) => {
    const path = account.incomingPath(randomUUID());
    const { fields, filename } = await readMultipart(request.raw, {
      fileField: 'file',
      path,
      maxBytes: options.maxFileBytes,
      limit: sizeLimit(faults.call),
      resetAfterBytes: resetDuring(faults.call),
    });
    try {
      const purpose = fields.get('purpose');
      assertUploadPurpose(purpose);
      const expiresAfterSeconds = assertExpiresAfterFields(fields);
      return toFileObject(
        await account.shelf.adopt(path, { filename, purpose, expiresAfterSeconds }, faults.file),
      );
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  });

  apiCall(app, api, CallKind.filesList, 'GET', '/v1/files', (request, faults, { shelf }) => {
    const query = queryOf(request);
    const order = query['order'] ?? 'desc';
    if (order !== 'asc' && order !== 'desc') throw invalidValue('order', order, ['asc', 'desc']);
    const purpose = query['purpose'];
    const files = shelf.visible().filter((file) => purpose === undefined || file.purpose === purpose);
    return listPage(
      order === 'asc' ? files : files.toReversed(),
      query,
      LIST_TERMS,
      faults.call,
      toFileObject,
    );
  });

  apiCall(app, api, CallKind.filesRetrieve, 'GET', '/v1/files/:id', (request, _faults, { shelf }) =>
    toFileObject(shelf.get(paramOf(request, 'id'))),
  );

  apiCall(app, api, CallKind.filesDelete, 'DELETE', '/v1/files/:id', async (request, _faults, { shelf }) => {
    const id = paramOf(request, 'id');
    await shelf.remove(id);
    return { id, object: 'file', deleted: true };
  });

  apiCall(
    app,
    api,
    CallKind.filesContent,
    'GET',
    '/v1/files/:id/content',
    async (request, faults, { shelf }) => {
      const { id, bytes, filename } = shelf.get(paramOf(request, 'id'));
      const { source, isTrue } = await shelf.contentOf(id);
      const size = typeof source === 'string' ? bytes : source.length;
      const download = { source, bytes: size, filename, faults: faults.call };
      return new DownloadAnswer(download, () => isTrue && shelf.markRead(id));
    },
  );
}
