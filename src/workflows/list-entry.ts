import { patched, upsertMemo, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import type { SearchAttributeUpdatePair } from '@temporalio/common';
import { PROGRESS_MEMO, type ListedProgress } from '../core/job-listing.ts';
import type { JobLabels } from '../core/job-spec.ts';
import { isEndState } from '../core/progress.ts';
import { fittingKeywords, searchAttributes } from '../core/search-attributes.ts';
import { Version } from './versions.ts';

/** Counts are written a minute after a change of state, then at waits that double up to this: an event each, beside some hundred of polling. */
const LONGEST_MS = 10 * 60_000;
const FIRST_MS = 60_000;

/** True for jobs that write their progress to the server's list, and poll by status alone; those of version 0.1 do neither. */
export function isListed(): boolean {
  return patched(Version.Listed);
}

/** What the list may show of a job. */
export interface ListedFacts {
  readonly progress: ListedProgress;
  readonly models: readonly string[];
  /** In flight, the latest first. */
  readonly batchIds: readonly string[];
}

/** Why the entry is updated: a `poll` updates batch ids, the end of a `round` counts too. */
export type ListMoment = 'change' | 'poll' | 'round';

/**
 * A job's entry in the server's list: search attributes, by which it is found, and a memo, which holds its progress.
 * What is written is what differs from what the server has, so that a job that waits writes nothing. Both are events
 * without a workflow task of their own.
 */
export class ListEntry {
  private readonly labels: JobLabels | null;
  private writtenAt = Date.now();
  private waitMs = FIRST_MS;

  constructor(labels: JobLabels | undefined) {
    this.labels = labels ?? null;
  }

  update(facts: ListedFacts, moment: ListMoment): void {
    if (!isListed()) return;
    this.updateMemo(facts.progress, moment);
    // A namespace without the attributes would refuse the workflow task, again and again.
    if (this.labels?.searchable === true) this.updateAttributes(this.labels, facts, moment);
  }

  private updateMemo(progress: ListedProgress, moment: ListMoment): void {
    const before = workflowInfo().memo?.[PROGRESS_MEMO] as ListedProgress | undefined;
    const isTurn = moment === 'round' || before?.state !== progress.state;
    if (!isTurn && Date.now() - this.writtenAt < this.waitMs) return;
    if (JSON.stringify(before) === JSON.stringify(progress)) return;
    this.waitMs = isTurn ? FIRST_MS : Math.min(LONGEST_MS, this.waitMs * 2);
    this.writtenAt = Date.now();
    upsertMemo({ [PROGRESS_MEMO]: progress });
  }

  private updateAttributes(labels: JobLabels, facts: ListedFacts, moment: ListMoment): void {
    const { state } = facts.progress;
    const { typedSearchAttributes: now } = workflowInfo();
    const { status, models, account, schedule, batchIds } = searchAttributes;
    const wanted: SearchAttributeUpdatePair[] = [
      { key: status, value: state },
      { key: account, value: labels.account },
      { key: schedule, value: labels.schedule },
    ];
    // Before the input is read, the client's guess of the models is kept.
    if (facts.models.length > 0) wanted.push({ key: models, value: fittingKeywords(facts.models) });
    const changed = wanted.filter(({ key, value }) => !isSame(now.get(key), value));
    // Batches come and go by the dozen: one event for all of a poll's.
    if (moment !== 'change' || changed.length > 0) {
      const ids = isEndState(state) ? [] : fittingKeywords(facts.batchIds);
      const value = ids.length === 0 ? null : ids;
      if (!isSame(now.get(batchIds), value)) changed.push({ key: batchIds, value });
    }
    if (changed.length > 0) upsertSearchAttributes(changed);
  }
}

function isSame(before: unknown, value: unknown): boolean {
  return JSON.stringify(before ?? null) === JSON.stringify(value ?? null);
}
