import { ErrorCode } from './errors.ts';

/**
 * The failure types that cross Temporal, and the one table that says what each means.
 *
 * An activity throws an `ApplicationFailure` of one of these types; the workflow and the client read
 * only the type. `final` types are thrown non-retryable: trying again would give the same answer.
 */
export const FailureType = {
  /** The input is bad; `details` hold file, line and advice. */
  BadInput: 'BadInput',
  /** The key or the account was refused (401, 403, billing): the job pauses until somebody acts. */
  AccountRefused: 'AccountRefused',
  /** The worker's base URL, or the project of its key, is not where the job's batches live: the job pauses until a worker has the right one. */
  OtherApi: 'OtherApi',
  /** The worker's store is not the one where the job lives: another worker has to do the step. */
  OtherStore: 'OtherStore',
  /** The API refused the request itself (other 4xx, or a model that the key may not use); the same request would be refused again. */
  RequestRefused: 'RequestRefused',
  /** The file or the batch is larger than the server takes: the shard is halved and sent again. */
  InputTooLarge: 'InputTooLarge',
  /** The enqueued-token allowance of the model is used up: the shard waits its turn. */
  AllowanceExhausted: 'AllowanceExhausted',
  /** The API does not know the file that a batch was to be made of: create again, then upload again. */
  InputFileLost: 'InputFileLost',
  /** A temporary trouble of the API or the network: try again. */
  ApiTrouble: 'ApiTrouble',
  /** The list does not show a batch whose creation is in doubt: it is looked for again before another one is created. */
  BatchNotListed: 'BatchNotListed',
  /** An ended batch does not yet offer the files it should have. */
  AnswersNotReady: 'AnswersNotReady',
  /** The API does not know a batch whose answers are still to be read: a key of another project, most likely. */
  BatchUnknown: 'BatchUnknown',
  /** An earlier job of the series, or of the run's time, still works: what it answers is waited for. */
  EarlierRunUnfinished: 'EarlierRunUnfinished',
  /** Answers of an earlier job that a job had chosen to use are gone from the store. */
  EarlierAnswersGone: 'EarlierAnswersGone',
  /** The id of a scheduled run's job belongs to a job with another input or other options. */
  RunConflict: 'RunConflict',
  /** All threads for long file work are taken: the step waits at the server. */
  WorkerBusy: 'WorkerBusy',
  /** The store cannot be written or read: disk full, read-only, gone. */
  StoreTrouble: 'StoreTrouble',
} as const;
export type FailureType = (typeof FailureType)[keyof typeof FailureType];

interface FailureMeaning {
  /** True when no retry can help. */
  readonly final: boolean;
  /** What the client throws when a job ends by it. */
  readonly code: ErrorCode;
}

/** Total over `FailureType`; a test asserts that every error code the client may throw from a job is in it. */
export const failureMeaning: Readonly<Record<FailureType, FailureMeaning>> = {
  BadInput: { final: true, code: ErrorCode.BadInput },
  AccountRefused: { final: true, code: ErrorCode.ApiRefused },
  OtherApi: { final: true, code: ErrorCode.ApiRefused },
  OtherStore: { final: false, code: ErrorCode.StoreUnavailable },
  RequestRefused: { final: true, code: ErrorCode.JobFailed },
  InputTooLarge: { final: true, code: ErrorCode.JobFailed },
  AllowanceExhausted: { final: true, code: ErrorCode.JobFailed },
  InputFileLost: { final: true, code: ErrorCode.JobFailed },
  ApiTrouble: { final: false, code: ErrorCode.ApiUnreachable },
  BatchNotListed: { final: false, code: ErrorCode.ApiUnreachable },
  AnswersNotReady: { final: false, code: ErrorCode.JobFailed },
  BatchUnknown: { final: true, code: ErrorCode.ApiRefused },
  EarlierRunUnfinished: { final: false, code: ErrorCode.JobFailed },
  EarlierAnswersGone: { final: true, code: ErrorCode.JobFailed },
  RunConflict: { final: true, code: ErrorCode.JobConflict },
  WorkerBusy: { final: false, code: ErrorCode.JobFailed },
  StoreTrouble: { final: false, code: ErrorCode.StoreUnavailable },
};

/** True when `text` names a failure type. */
export function isFailureType(text: string | null | undefined): text is FailureType {
  return typeof text === 'string' && Object.hasOwn(failureMeaning, text);
}

/** True for a step that has not failed: it waits for its turn, or for another job, and each look whether it may begin is an attempt. */
export function isWait(type: string | null | undefined): boolean {
  return type === FailureType.WorkerBusy || type === FailureType.EarlierRunUnfinished;
}
