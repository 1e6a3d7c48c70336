/**
 * The one error class of this package, and the closed set of its codes.
 *
 * Applications and the command line read the code, never the message; `exitCodeOf` maps it to the process exit code that the
 * README documents.
 */

/** Every way in which a call of this package can fail. */
export const ErrorCode = {
  /** The input file is missing, empty, unreadable or has a bad line; `details` has file and line. */
  BadInput: 'bad_input',
  /** An option is unknown, out of range or contradicts another. */
  BadOption: 'bad_option',
  /** The folder for the results is not writable or contains another job's results. */
  BadOutput: 'bad_output',
  /** The job id belongs to a job with another input or other options, or another command runs the job. */
  JobConflict: 'job_conflict',
  /** No job has this id. */
  JobNotFound: 'job_not_found',
  /** A schedule of this name exists. */
  ScheduleExists: 'schedule_exists',
  /** No schedule has this name. */
  ScheduleNotFound: 'schedule_not_found',
  /** The job failed, was terminated or ended without results. */
  JobFailed: 'job_failed',
  /** The job ended without results: the rows that it has were returned; `details` has the numbers of rows and lines. */
  PartialResults: 'partial_results',
  /** The API refused the key or the account: no key, a wrong key, no permission. */
  ApiRefused: 'api_refused',
  /** The API's base URL cannot be reached. */
  ApiUnreachable: 'api_unreachable',
  /** No Temporal server can be found, started or reached. */
  TemporalUnavailable: 'temporal_unavailable',
  /** The client was closed before or during the call. */
  ClientClosed: 'client_closed',
  /** The store's folder cannot be read or written. */
  StoreUnavailable: 'store_unavailable',
} as const;
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

/** Where the error is. */
export interface BatchErrorDetails {
  /** The file with the error, or the file that describes it. */
  readonly file?: string;
  /** 1-based line of the file. */
  readonly line?: number;
  /** 1-based row of a table, without its header. */
  readonly row?: number;
  /** The column of a table. */
  readonly column?: string;
  /** The job of the call. */
  readonly jobId?: string;
  /** The schedule of the call. */
  readonly schedule?: string;
  /** Rows that were returned, of a job that ended without results. */
  readonly rows?: number;
  /** Lines of that job. */
  readonly lines?: number;
  /** The wrong option, as the command line spells it. */
  readonly option?: string;
}

const marker: symbol = Symbol.for('durable-batch.BatchError');

/** The error class of this package: a message for users, a `code` for programs. */
export class BatchError extends Error {
  /** How the call failed, for programs. */
  readonly code: ErrorCode;
  /** Where it failed; empty if the error has no place. */
  readonly details: BatchErrorDetails;

  static {
    this.prototype.name = 'BatchError';
    Object.defineProperty(this.prototype, marker, { value: true });
  }

  constructor(code: ErrorCode, message: string, options?: { details?: BatchErrorDetails; cause?: unknown }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options?.details ?? {};
  }
}

/** True for a `BatchError` of any copy of this package. */
export function isBatchError(error: unknown): error is BatchError {
  return typeof error === 'object' && error !== null && marker in error;
}

/** The command line's exit code for an error: 2 if the user can fix the call or its environment, 1 otherwise. */
export function exitCodeOf(code: ErrorCode): 1 | 2 {
  switch (code) {
    case ErrorCode.BadInput:
    case ErrorCode.BadOption:
    case ErrorCode.BadOutput:
    case ErrorCode.JobConflict:
    case ErrorCode.JobNotFound:
    case ErrorCode.ScheduleExists:
    case ErrorCode.ScheduleNotFound:
    case ErrorCode.ApiRefused:
    case ErrorCode.ApiUnreachable:
    case ErrorCode.TemporalUnavailable:
    case ErrorCode.ClientClosed:
    case ErrorCode.StoreUnavailable:
      return 2;
    case ErrorCode.JobFailed:
    case ErrorCode.PartialResults:
      return 1;
    default:
      return code satisfies never;
  }
}
