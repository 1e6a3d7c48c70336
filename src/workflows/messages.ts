import type { QueryDefinition, SignalDefinition, UpdateDefinition } from '@temporalio/common';
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { Priority } from '../core/priority.ts';
import type { JobProgress } from '../core/progress.ts';
import { REPORT_TOKENS } from '../token-queue/names.ts';
import type { QueueView } from '../token-queue/queue-view.ts';
import type { TokenReply, TokenReport } from '../token-queue/token-report.ts';

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

/** The job's place among others that want tokens of the account. */
export const prioritySignal: SignalDefinition<[Priority]> = defineSignal('priority');

/** Shards of the job, by their keys, that have tokens of this model's queue now. */
export const tokensSignal: SignalDefinition<[model: string, keys: readonly string[]]> =
  defineSignal('tokens');

/** What a job wants and has of a queue. The same report twice changes nothing. */
export const reportTokensUpdate: UpdateDefinition<TokenReply, [TokenReport]> = defineUpdate(REPORT_TOKENS);

/** What a queue shows of itself. */
export const queueQuery: QueryDefinition<QueueView> = defineQuery('queue');

/** The workflow's name at the server. */
export const BATCH_JOB = 'batchJob';

/** The name at the server of the workflow that is a run of a schedule. */
export const SCHEDULED_JOB = 'scheduledJob';
