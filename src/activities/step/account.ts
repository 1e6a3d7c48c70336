import type { Dependencies } from './dependencies.ts';

/** The account of a queue: as the user names it, else `key-` and a hash of the key and its base URL. */
export function accountOf({ api }: Dependencies, named: string | null): string {
  return named ?? `key-${api.keyFingerprint}`;
}

/** False if this worker has another key than a derived account. Whether an account of a user's name has the key cannot be seen. */
export function mayHaveKeyOf(deps: Dependencies, account: string): boolean {
  return !/^key-[0-9a-f]{12}$/.test(account) || account === accountOf(deps, null);
}
