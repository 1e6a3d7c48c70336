import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import type { FastifyInstance } from 'fastify';
import { apiCall, DownloadResponse, paramOf, queryOf } from './api-call.ts';
import { invalidValue } from './api-error.ts';
import { resetDuring, sizeLimit } from './call-faults.ts';
import type { EmulatedApi } from './emulated-api.ts';
import { CallKind } from './faults/call-fault.ts';
import { toFileObject } from './file-storage.ts';
import { parseExpiresAfterFields, assertUploadPurpose } from './file-parameters.ts';
import { listPage } from './list-page.ts';
import { readMultipart } from './multipart.ts';

const LIST_LIMITS = { defaultLimit: 10_000, maxLimit: 10_000 };

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
      const expiresAfterSeconds = parseExpiresAfterFields(fields);
      return toFileObject(
        await account.files.adopt(path, { filename, purpose, expiresAfterSeconds }, faults.file),
      );
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  });

  apiCall(app, api, CallKind.filesList, 'GET', '/v1/files', (request, faults, { files }) => {
    const query = queryOf(request);
    const order = query['order'] ?? 'desc';
    if (order !== 'asc' && order !== 'desc') throw invalidValue('order', order, ['asc', 'desc']);
    const purpose = query['purpose'];
    const listed = files.visible().filter((file) => purpose === undefined || file.purpose === purpose);
    return listPage(
      order === 'asc' ? listed : listed.toReversed(),
      query,
      LIST_LIMITS,
      faults.call,
      toFileObject,
    );
  });

  apiCall(app, api, CallKind.filesRetrieve, 'GET', '/v1/files/:id', (request, _faults, { files }) =>
    toFileObject(files.get(paramOf(request, 'id'))),
  );

  apiCall(app, api, CallKind.filesDelete, 'DELETE', '/v1/files/:id', async (request, _faults, { files }) => {
    const id = paramOf(request, 'id');
    await files.remove(id);
    return { id, object: 'file', deleted: true };
  });

  apiCall(
    app,
    api,
    CallKind.filesContent,
    'GET',
    '/v1/files/:id/content',
    async (request, faults, { files }) => {
      const { id, bytes, filename } = files.get(paramOf(request, 'id'));
      const { source, isComplete } = await files.contentOf(id);
      const size = typeof source === 'string' ? bytes : source.length;
      const download = { source, bytes: size, filename, faults: faults.call };
      return new DownloadResponse(download, () => isComplete && files.markRead(id));
    },
  );
}
