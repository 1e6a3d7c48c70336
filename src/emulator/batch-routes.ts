import type { FastifyInstance } from 'fastify';
import type { Account } from './account.ts';
import { apiCall, bodyOf, paramOf, queryOf } from './api-call.ts';
import { CallKind } from './fault-rule.ts';
import { listPage } from './list-page.ts';

const LIST_TERMS = { defaultLimit: 20, maxLimit: 100 };

/** The Batches API. */
export function addBatchRoutes(app: FastifyInstance, account: Account): void {
  const { batches } = account;

  apiCall(app, account, CallKind.batchesCreate, 'POST', '/v1/batches', (request, faults) =>
    batches.create(bodyOf(request), faults.batch),
  );

  apiCall(app, account, CallKind.batchesList, 'GET', '/v1/batches', (request, faults) =>
    listPage(batches.listed(), queryOf(request), LIST_TERMS, faults.call, (record) => batches.show(record)),
  );

  apiCall(app, account, CallKind.batchesRetrieve, 'GET', '/v1/batches/:id', (request) =>
    batches.retrieve(paramOf(request, 'id')),
  );

  apiCall(app, account, CallKind.batchesCancel, 'POST', '/v1/batches/:id/cancel', (request) =>
    batches.cancel(paramOf(request, 'id')),
  );
}
