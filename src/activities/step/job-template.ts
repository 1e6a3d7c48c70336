import { ApplicationFailure } from '@temporalio/common';
import { isBatchError } from '../../core/errors.ts';
import { FailureType } from '../../core/failure.ts';
import type { TemplateReference } from '../../core/job-spec.ts';
import { readTemplate } from '../../job/job-template.ts';
import type { RequestTemplate } from '../../render/request-template.ts';
import type { Store } from '../../store/store.ts';

/**
 * Reads the request template of a job.
 * @throws ApplicationFailure `BadInput` when the store has no such template, or another version wrote it
 */
export async function jobTemplate(store: Store, reference: TemplateReference): Promise<RequestTemplate> {
  try {
    return await readTemplate(store, reference);
  } catch (error) {
    if (!isBatchError(error)) throw error;
    throw ApplicationFailure.nonRetryable(error.message, FailureType.BadInput);
  }
}
