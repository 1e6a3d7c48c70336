import type { FastifyInstance } from 'fastify';
import { KNOWN_MODELS } from './answers/model-kind.ts';
import { apiCall, paramOf } from './api-call.ts';
import { ApiError } from './api-error.ts';
import type { EmulatedApi } from './emulated-api.ts';
import { CallKind } from './faults/call-fault.ts';

/** The creation time in all model objects. */
const CREATED = 1_735_689_600;

/** The Models API: the models of the options. Without that option it lists some known models and returns any by its name. */
export function addModelRoutes(app: FastifyInstance, api: EmulatedApi): void {
  const { models } = api.options;

  apiCall(app, api, CallKind.modelsList, 'GET', '/v1/models', () => ({
    object: 'list',
    data: (models ?? KNOWN_MODELS).map(toModelObject),
  }));

  apiCall(app, api, CallKind.modelsRetrieve, 'GET', '/v1/models/:id', (request) => {
    const id = paramOf(request, 'id');
    if (models && !models.includes(id))
      throw new ApiError(404, `The model '${id}' does not exist`, {
        param: 'model',
        code: 'model_not_found',
      });
    return toModelObject(id);
  });
}

function toModelObject(id: string): object {
  return { id, object: 'model', created: CREATED, owned_by: 'openai' };
}
