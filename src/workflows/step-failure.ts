import { ActivityFailure, ApplicationFailure, TimeoutFailure } from '@temporalio/workflow';
import { FailureType, isFailureType } from '../core/failure.ts';

/** What to show when an activity failed because of the key, the account or the API's address; null for other failures. */
export function accountRefusal(error: unknown): string | null {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (!(cause instanceof ApplicationFailure)) return null;
  if (cause.type === FailureType.OtherApi) return cause.message;
  return cause.type === FailureType.AccountRefused ? `the API refused the account: ${cause.message}` : null;
}

/** Why a step failed permanently, for users: failures of our own types hold references and counts only, others may quote anything. */
export function failureReason(error: unknown): string {
  let cause = error instanceof ActivityFailure ? error.cause : error;
  // Tried for as long as it may be: what the last attempt said.
  if (cause instanceof TimeoutFailure && cause.cause !== undefined) cause = cause.cause;
  if (cause instanceof ApplicationFailure && isFailureType(cause.type)) return cause.message;
  const name = cause instanceof Error ? cause.name : 'unknown error';
  return `the step failed (${name}); the worker's log and the Web UI say more`;
}
