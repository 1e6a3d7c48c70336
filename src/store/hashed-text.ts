import { createHash } from 'node:crypto';
import type { Store } from './store.ts';

/*
 * Texts that histories must not have, at keys made of their hashes: a workflow carries the hash.
 */

/** The key of a text, by its hash. */
type KeyOf = (sha256: string) => string;

export function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Writes a text. Every call with the same text writes the same value, in place of a damaged one. */
export async function keepHashed(store: Store, keyOf: KeyOf, text: string): Promise<void> {
  await store.replace(keyOf(sha256Of(text)), text);
}

/** Reads a text; or what is wrong, as the end of a sentence. */
export async function readHashed(
  store: Store,
  keyOf: KeyOf,
  sha256: string,
): Promise<{ readonly text: string } | { readonly problem: string }> {
  const text = await store.read(keyOf(sha256));
  if (text === null) return { problem: 'missing from the store' };
  return sha256Of(text) === sha256 ? { text } : { problem: 'damaged in the store' };
}
