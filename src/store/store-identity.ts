import { randomUUID } from 'node:crypto';
import { dirname } from 'node:path';
import { claimRecord, readRecord, type Store } from './store.ts';

/** Which store a job lives in. */
export interface StoreIdentity {
  /** Drawn once for a store, whatever path its machines have it at. */
  readonly id: string;
  /** Its folder as whoever started the job sees it, for messages. */
  readonly path: string;
}

const KEY = 'store.json';

/** The identity of a store; the first who asks draws it. */
export async function storeIdentity(store: Store): Promise<StoreIdentity> {
  const known = await readRecord<{ id: string }>(store, KEY);
  const { id } = known ?? (await claimRecord(store, KEY, { id: randomUUID() })).record;
  return { id, path: dirname(store.locationOf(KEY)) };
}
