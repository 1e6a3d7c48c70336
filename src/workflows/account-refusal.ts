import { ActivityFailure, ApplicationFailure } from '@temporalio/workflow';
import { FailureType } from '../core/failure.ts';

/** What to show when an activity failed because the API refused the key or the account; null for other failures. */
export function accountRefusal(error: unknown): string | null {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (!(cause instanceof ApplicationFailure) || cause.type !== FailureType.AccountRefused) return null;
  return `the API refused the account: ${cause.message}`;
}
