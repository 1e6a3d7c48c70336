import type { FastifyInstance } from 'fastify';
import type { Account } from './account.ts';
import { apiCall, bodyOf, paramOf, queryOf } from './api-call.ts';
import { assertSize } from './call-faults.ts';
import { CallKind, SUMMARY_WITHOUT } from './fault-rule.ts';
import type { CallFault } from './fault-rule.ts';
import { listPage } from './list-page.ts';

const LIST_TERMS = { defaultLimit: 20, maxLimit: 100 };

/** The Batches API. */
export function addBatchRoutes(app: FastifyInstance, account: Account): void {
  const { batches, shelf } = account;

  apiCall(app, account, CallKind.batchesCreate, 'POST', '/v1/batches', (request, faults) => {
    const body = bodyOf(request);
    assertSize(faults.call, shelf.find(String(body['input_file_id']))?.bytes);
    return batches.create(body, faults.batch);
  });

  apiCall(app, account, CallKind.batchesList, 'GET', '/v1/batches', (request, faults) =>
    listPage(batches.listed(), queryOf(request), LIST_TERMS, faults.call, (record) =>
      summarised(batches.showInList(record), faults.call),
    ),
  );

  apiCall(app, account, CallKind.batchesRetrieve, 'GET', '/v1/batches/:id', (request) =>
    batches.retrieve(paramOf(request, 'id')),
  );

  apiCall(app, account, CallKind.batchesCancel, 'POST', '/v1/batches/:id/cancel', (request) =>
    batches.cancel(paramOf(request, 'id')),
  );
}

/** A batch as a list shows it, or as little of it as a fault leaves. */
function summarised(batch: object, faults: readonly CallFault[]): object {
  const fault = faults.find((each) => each.kind === 'summary_list');
  if (!fault) return batch;
  const without = fault.without ?? SUMMARY_WITHOUT;
  return Object.fromEntries(Object.entries(batch).filter(([name]) => !without.includes(name)));
}
