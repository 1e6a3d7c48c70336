import { BatchError, ErrorCode } from '../core/errors.ts';
import { isEndState, JobState } from '../core/progress.ts';
import { searchAttributes } from '../core/search-attributes.ts';
import { BATCH_JOB } from '../workflows/messages.ts';

/** The filter of `list()`: a job must match every field. Without fields, all jobs at the server match. */
export interface JobFilter {
  /** Temporal's status, as in `JobSummary.status`. Works on every server. */
  status?: JobServerStatus;
  /**
   * What the job is doing or how it has ended, as in `JobSummary.state`. `failed` and `cancelled` include workflows with that
   * status at the server. Jobs of earlier versions that ended `failed` or `cancelled` are found as `done`. Needs search attributes.
   */
  state?: JobState;
  /** The account that pays, as given at the start of the job. Needs search attributes. */
  account?: string;
  /** A model that lines of the job name. Needs search attributes. */
  model?: string;
  /** The schedule that started the job. Needs search attributes. */
  schedule?: string;
  /** The id of a batch that is in flight; of many, only the latest ones are found. Needs search attributes. */
  batchId?: string;
  /** Jobs started at this time or later: a Date, or ISO 8601 text. */
  startedAfter?: Date | string;
  /** Jobs started before this time: a Date, or ISO 8601 text. */
  startedBefore?: Date | string;
  /** A condition of your own in Temporal's list filter syntax, e.g. `CloseTime > '2026-11-01T00:00:00Z'`. */
  query?: string;
  /** At most this many jobs, the newest ones; 1 or more. @default all */
  limit?: number;
}

/** Temporal's workflow statuses that a filter may use. */
export const JobServerStatus = {
  Running: 'RUNNING',
  Completed: 'COMPLETED',
  Failed: 'FAILED',
  Cancelled: 'CANCELLED',
  Terminated: 'TERMINATED',
  TimedOut: 'TIMED_OUT',
} as const;
export type JobServerStatus = (typeof JobServerStatus)[keyof typeof JobServerStatus];

/** The same statuses in the spelling of Temporal's list filters. */
const inQueries: Readonly<Record<JobServerStatus, string>> = {
  RUNNING: 'Running',
  COMPLETED: 'Completed',
  FAILED: 'Failed',
  CANCELLED: 'Canceled',
  TERMINATED: 'Terminated',
  TIMED_OUT: 'TimedOut',
};

/**
 * Converts the filter to Temporal's list filter syntax.
 * @throws BatchError `bad_option` naming the field
 */
export function toVisibilityQuery(filter: JobFilter): string {
  const { status, state, startedAfter, startedBefore, query, limit } = filter;
  const conditions = [`WorkflowType = '${BATCH_JOB}'`];
  if (status !== undefined) {
    if (!Object.hasOwn(inQueries, status)) throw badFilter('status', Object.keys(inQueries), status);
    conditions.push(`ExecutionStatus = '${inQueries[status]}'`);
  }
  if (state !== undefined) {
    const states = Object.values(JobState);
    if (!states.includes(state)) throw badFilter('state', states, state);
    conditions.push(isInState(state));
  }
  for (const [field, attribute] of [
    ['account', 'account'],
    ['model', 'models'],
    ['schedule', 'schedule'],
    ['batchId', 'batchIds'],
  ] as const) {
    const value = filter[field];
    if (value === undefined) continue;
    if (typeof value !== 'string' || value.trim() === '') throw badFilter(field, ['a name'], value);
    conditions.push(isAttribute(attribute, value));
  }
  if (startedAfter !== undefined) conditions.push(`StartTime >= '${timeOf('startedAfter', startedAfter)}'`);
  if (startedBefore !== undefined) conditions.push(`StartTime < '${timeOf('startedBefore', startedBefore)}'`);
  if (query !== undefined) {
    if (query.trim() === '') throw badFilter('query', ['a condition'], query);
    conditions.push(`(${query})`);
  }
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 1)) {
    throw badFilter('limit', ['a whole number from 1'], limit);
  }
  return conditions.join(' AND ');
}

function isInState(state: JobState): string {
  const condition = isAttribute('status', state);
  const server = state === JobState.Failed ? 'Failed' : state === JobState.Cancelled ? 'Canceled' : null;
  if (server !== null) return `(${condition} OR ExecutionStatus = '${server}')`;
  // A job that was terminated keeps the last state it had.
  return isEndState(state) ? condition : `${condition} AND ExecutionStatus = 'Running'`;
}

function isAttribute(attribute: keyof typeof searchAttributes, value: string): string {
  return `${searchAttributes[attribute].name} = ${quoted(value)}`;
}

/** A string of Temporal's list filters, with quotes and backslashes escaped. */
function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

function timeOf(field: string, value: Date | string): string {
  const time = new Date(value);
  if (Number.isNaN(time.getTime())) throw badFilter(field, ['a time such as 2026-11-24T08:00:00Z'], value);
  return time.toISOString();
}

function badFilter(field: string, allowed: readonly string[], got: unknown): BatchError {
  const option = field.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const choice = allowed.length === 1 ? allowed[0] : `one of ${allowed.join(', ')}`;
  return new BatchError(
    ErrorCode.BadOption,
    `Option --${option} must be ${choice}, got "${String(got).slice(0, 80)}".`,
    { details: { option } },
  );
}
