import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import type { FastifyInstance } from 'fastify';
import type { Account } from './account.ts';
import { apiCall, DownloadAnswer, paramOf, queryOf } from './api-call.ts';
import { invalidValue } from './api-error.ts';
import { resetDuring, sizeLimit } from './call-faults.ts';
import { CallKind } from './fault-rule.ts';
import { toFileObject } from './file-shelf.ts';
import { assertExpiresAfterFields, assertUploadPurpose } from './file-terms.ts';
import { listPage } from './list-page.ts';
import { readMultipart } from './multipart.ts';

const LIST_TERMS = { defaultLimit: 10_000, maxLimit: 10_000 };

/** The Files API. */
export function addFileRoutes(app: FastifyInstance, account: Account): void {
  const { shelf, options } = account;

  apiCall(app, account, CallKind.filesCreate, 'POST', '/v1/files', async (request, faults) => {
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
      return toFileObject(await shelf.adopt(path, { filename, purpose, expiresAfterSeconds }, faults.file));
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  });

  apiCall(app, account, CallKind.filesList, 'GET', '/v1/files', (request, faults) => {
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

  apiCall(app, account, CallKind.filesRetrieve, 'GET', '/v1/files/:id', (request) =>
    toFileObject(shelf.get(paramOf(request, 'id'))),
  );

  apiCall(app, account, CallKind.filesDelete, 'DELETE', '/v1/files/:id', async (request) => {
    const id = paramOf(request, 'id');
    await shelf.remove(id);
    return { id, object: 'file', deleted: true };
  });

  apiCall(app, account, CallKind.filesContent, 'GET', '/v1/files/:id/content', async (request, faults) => {
    const { id, bytes, filename } = shelf.get(paramOf(request, 'id'));
    const { source, isTrue } = await shelf.contentOf(id);
    const size = typeof source === 'string' ? bytes : source.length;
    const download = { source, bytes: size, filename, faults: faults.call };
    return new DownloadAnswer(download, () => isTrue && shelf.markRead(id));
  });
}
