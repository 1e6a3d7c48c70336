import { ErrorCode } from './errors.ts';

/**
 * The failure types that cross Temporal, and the table of their meanings.
 *
 * An activity throws an `ApplicationFailure` of one of these types; the workflow and the client read
 * only the type. `final` types are thrown non-retryable: a retry would fail in the same way.
 */
export const FailureType = {
  /** The input is bad; `details` contain file, line and advice. */
  BadInput: 'BadInput',
  /** The key or the account was refused (401, 403, billing): the job pauses until a user acts. */
  AccountRefused: 'AccountRefused',
  /** The job's batches are at another base URL or in another project than the worker's: the job pauses until a worker has the right one. */
  OtherApi: 'OtherApi',
  /** The job is in another store than the worker's: another worker has to run the step. */
  OtherStore: 'OtherStore',
  /** The API refused the request itself (other 4xx, or a model that the key may not use); the same request would be refused again. */
  RequestRefused: 'RequestRefused',
  /** The file or the batch is larger than the server accepts: the shard is halved and sent again. */
  InputTooLarge: 'InputTooLarge',
  /** The enqueued-token allowance of the model is used up: the shard waits its turn. */
  AllowanceExhausted: 'AllowanceExhausted',
  /** The API does not know the input file of a new batch: create again, then upload again. */
  InputFileLost: 'InputFileLost',
  /** A temporary problem of the API or the network: retried. */
  ApiTrouble: 'ApiTrouble',
  /** The list does not show a batch that may have been created: the list is read again before another batch is created. */
  BatchNotListed: 'BatchNotListed',
  /** A batch has ended, and its output files are not available yet. */
  AnswersNotReady: 'AnswersNotReady',
  /** The API does not know a batch whose answers were not read yet: most likely the key is of another project. */
  BatchUnknown: 'BatchUnknown',
  /** An earlier job of the series, or of the same run time, has not ended: the step waits for its answers. */
  EarlierRunUnfinished: 'EarlierRunUnfinished',
  /** Answers of an earlier job that the job uses are missing from the store. */
  EarlierAnswersGone: 'EarlierAnswersGone',
  /** The id of a scheduled run's job belongs to a job with another input or other options. */
  RunConflict: 'RunConflict',
  /** All threads for long file work are busy: the step waits at the server. */
  WorkerBusy: 'WorkerBusy',
  /** The store cannot be written or read: disk full, read-only, gone. */
  StoreTrouble: 'StoreTrouble',
} as const;
export type FailureType = (typeof FailureType)[keyof typeof FailureType];

interface FailureMeaning {
  /** True when no retry can help. */
  readonly final: boolean;
  /** The code of the error that the client throws when a job ends with this failure. */
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

/** True for a step that waits for a thread or for another job: each check whether it may start is an attempt, not a failure. */
export function isWait(type: string | null | undefined): boolean {
  return type === FailureType.WorkerBusy || type === FailureType.EarlierRunUnfinished;
}
