import { ActivityFailure, ApplicationFailure } from '@temporalio/workflow';
import { FailureType } from '../core/failure.ts';

/** What to show when an activity failed because of the key, the account or the API's address; null for other failures. */
export function accountRefusal(error: unknown): string | null {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (!(cause instanceof ApplicationFailure)) return null;
  if (cause.type === FailureType.OtherApi) return cause.message;
  return cause.type === FailureType.AccountRefused ? `the API refused the account: ${cause.message}` : null;
}
