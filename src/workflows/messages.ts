import type { QueryDefinition, SignalDefinition } from '@temporalio/common';
import { defineQuery, defineSignal } from '@temporalio/workflow';
import type { JobProgress } from '../core/progress.ts';

/** The job's progress. */
export const progressQuery: QueryDefinition<JobProgress> = defineQuery('progress');

/** Cancel the batches in flight at the API, keep every answer that was paid for, end all other lines `cancelled`. */
export const cancelSignal: SignalDefinition = defineSignal('cancel');

/** Send nothing new; batches in flight continue and are fetched. The reason is shown wherever the job is shown. */
export const pauseSignal: SignalDefinition<[reason: string]> = defineSignal('pause');

/** Continue after a pause of any kind. */
export const resumeSignal: SignalDefinition = defineSignal('resume');

/** Poll the batches now. */
export const pollSignal: SignalDefinition = defineSignal('poll');

/** Buy lines again whose paid answer the API lost, those that have ended so before included. */
export const rebuySignal: SignalDefinition = defineSignal('rebuy');

/** The workflow's name at the server. */
export const BATCH_JOB = 'batchJob';

/** The name at the server of the workflow that is a run of a schedule. */
export const SCHEDULED_JOB = 'scheduledJob';
