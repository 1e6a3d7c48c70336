import { randomUUID } from 'node:crypto';
import { dirname } from 'node:path';
import { claimRecord, readRecord, type Store } from './store.ts';

/** The store that has a job. */
export interface StoreIdentity {
  /** A random id, drawn once for a store; the same on every machine, whatever the path there. */
  readonly id: string;
  /** Its folder on the machine that started the job, for messages. */
  readonly path: string;
}

const KEY = 'store.json';

/** Returns the identity of a store; the first call creates it. */
export async function storeIdentity(store: Store): Promise<StoreIdentity> {
  const known = await readRecord<{ id: string }>(store, KEY);
  const { id } = known ?? (await claimRecord(store, KEY, { id: randomUUID() })).record;
  return { id, path: dirname(store.locationOf(KEY)) };
}
