import type { QueryDefinition, SignalDefinition } from '@temporalio/common';
import { defineQuery, defineSignal } from '@temporalio/workflow';
import type { JobProgress } from '../core/progress.ts';

/** Where the job stands now. */
export const progressQuery: QueryDefinition<JobProgress> = defineQuery('progress');

/** Cancel what is in flight at the API, keep every answer that was paid, end the rest `cancelled`. */
export const cancelSignal: SignalDefinition = defineSignal('cancel');

/** Start nothing new; what is in flight goes on and is fetched. The reason is shown to whoever looks. */
export const pauseSignal: SignalDefinition<[reason: string]> = defineSignal('pause');

/** Go on after a pause, whoever asked for it. */
export const resumeSignal: SignalDefinition = defineSignal('resume');

/** Look at the batches now instead of at the next poll. */
export const pollSignal: SignalDefinition = defineSignal('poll');

/** Buy lines again whose paid answer the API lost, those that have ended so before included. */
export const rebuySignal: SignalDefinition = defineSignal('rebuy');

/** The workflow's name at the server. */
export const BATCH_JOB = 'batchJob';

/** The name at the server of the workflow that is a run of a schedule. */
export const SCHEDULED_JOB = 'scheduledJob';
