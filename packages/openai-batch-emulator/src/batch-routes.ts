import type { FastifyInstance } from 'fastify';
import { apiCall, bodyOf, paramOf, queryOf } from './api-call.ts';
import { assertSize } from './call-faults.ts';
import type { EmulatedApi } from './emulated-api.ts';
import { CallKind, SUMMARY_WITHOUT } from './faults/call-fault.ts';
import type { CallFault } from './faults/call-fault.ts';
import { listPage } from './list-page.ts';

const LIST_LIMITS = { defaultLimit: 20, maxLimit: 100 };

/** The Batches API. */
export function addBatchRoutes(app: FastifyInstance, api: EmulatedApi): void {
  apiCall(app, api, CallKind.batchesCreate, 'POST', '/v1/batches', (request, faults, { files, batches }) => {
    const body = bodyOf(request);
    assertSize(faults.call, files.find(String(body['input_file_id']))?.bytes);
    return batches.create(body, faults.batch);
  });

  apiCall(app, api, CallKind.batchesList, 'GET', '/v1/batches', (request, faults, { batches }) =>
    listPage(batches.listed(), queryOf(request), LIST_LIMITS, faults.call, (record) =>
      withoutOmitted(batches.toListObject(record), faults.call),
    ),
  );

  apiCall(app, api, CallKind.batchesRetrieve, 'GET', '/v1/batches/:id', (request, _faults, { batches }) =>
    batches.retrieve(paramOf(request, 'id')),
  );

  apiCall(
    app,
    api,
    CallKind.batchesCancel,
    'POST',
    '/v1/batches/:id/cancel',
    (request, _faults, { batches }) => batches.cancel(paramOf(request, 'id')),
  );
}

/** Removes the members that the fault `summary_list` leaves out. */
function withoutOmitted(batch: object, faults: readonly CallFault[]): object {
  const fault = faults.find((each) => each.kind === 'summary_list');
  if (!fault) return batch;
  const without = fault.without ?? SUMMARY_WITHOUT;
  return Object.fromEntries(Object.entries(batch).filter(([name]) => !without.includes(name)));
}
