import type { Dependencies } from './dependencies.ts';

/** The account of a queue: as the user names it, else `key-` and a hash of the key and its base URL. */
export function accountOf({ api }: Dependencies, named: string | null): string {
  return named ?? `key-${api.keyFingerprint}`;
}

/**
 * Returns if this worker's key is that of the account. That an account of a name has the key cannot be seen.
 * @throws Error if it has another key, so that another worker takes the step
 */
export function assertAccount(deps: Dependencies, account: string): void {
  if (!account.startsWith('key-') || account === accountOf(deps, null)) return;
  throw new Error(
    `This worker has another key or base URL than account ${account}: another worker has to run this step.`,
  );
}
