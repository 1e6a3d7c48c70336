import type { TypedSearchAttributes } from '@temporalio/common';
import { defineSearchAttributeKey, type SearchAttributePair } from '@temporalio/common';
import type { JobSpec } from '../core/job-spec.ts';
import { JobState } from '../core/progress.ts';
import { fittingKeywords, searchAttributes } from '../core/search-attributes.ts';

const keys = {
  status: defineSearchAttributeKey(searchAttributes.status.name, 'KEYWORD'),
  models: defineSearchAttributeKey(searchAttributes.models.name, 'KEYWORD_LIST'),
  account: defineSearchAttributeKey(searchAttributes.account.name, 'KEYWORD'),
  schedule: defineSearchAttributeKey(searchAttributes.schedule.name, 'KEYWORD'),
};

/** The search attributes of a job at its start; its model is known only if the options name one. */
export function startAttributes({ model, labels }: JobSpec): SearchAttributePair[] {
  const pairs: SearchAttributePair[] = [{ key: keys.status, value: JobState.Building }];
  const models = fittingKeywords(model === null ? [] : [model]);
  if (models.length > 0) pairs.push({ key: keys.models, value: models });
  if (labels?.account != null) pairs.push({ key: keys.account, value: labels.account });
  if (labels?.schedule != null) pairs.push({ key: keys.schedule, value: labels.schedule });
  return pairs;
}

/** The values of a job's search attributes. */
export function listedLabels(attributes: TypedSearchAttributes): {
  account: string | null;
  schedule: string | null;
  models: readonly string[];
} {
  return {
    account: attributes.get(keys.account) ?? null,
    schedule: attributes.get(keys.schedule) ?? null,
    models: attributes.get(keys.models) ?? [],
  };
}
