/**
 * Where the bytes of all jobs live. Keys are relative paths with `/`; a value is seen whole or not at all.
 *
 * Two writes exist because two promises need them: `replace` for files that any attempt would write alike,
 * and `claim` for records of which only the first may count (an intent, a batch's id).
 */
export interface Store {
  /** Reads a whole value; null when there is none. For records, not for big files. */
  read(key: string): Promise<string | null>;
  /** Writes a whole value in place of whatever was there. */
  replace(key: string, text: string): Promise<void>;
  /** Writes a value if the key has none; answers what the key holds now and whether it was this call's. */
  claim(key: string, text: string): Promise<{ text: string; first: boolean }>;
  /** Takes a value away; nothing happens where there is none. For values that no record names. */
  remove(key: string): Promise<void>;
  /**
   * Gives every value under a folder of keys the key that it has behind the folder's, in place of whatever was there; those that
   * were moved before stay. For values that count once a record names them.
   */
  publish(folder: string): Promise<void>;
  /** Takes all values under a folder of keys away. */
  removeAll(folder: string): Promise<void>;
  /** Size of a value in bytes; null when there is none. */
  size(key: string): Promise<number | null>;
  /** Writes a stream of bytes as a whole value; answers its length. */
  writeStream(key: string, chunks: AsyncIterable<Uint8Array>): Promise<number>;
  /** Names of the values directly under a folder of keys, in order; none when there is no such folder. */
  list(folder: string): Promise<string[]>;
  /** The value as a Blob that reads from the disk as it is sent. */
  blob(key: string): Promise<Blob>;
  /** Where file work finds and puts the value as a file; its folder exists afterwards. */
  filePath(key: string): Promise<string>;
}

/** Reads a JSON record; null when there is none. */
export async function readRecord<T>(store: Store, key: string): Promise<T | null> {
  const text = await store.read(key);
  return text === null ? null : (JSON.parse(text) as T);
}

/** Keeps the first record written under a key; every later call gets that one. */
export async function claimRecord<T>(
  store: Store,
  key: string,
  record: T,
): Promise<{ record: T; first: boolean }> {
  const { text, first } = await store.claim(key, JSON.stringify(record));
  return { record: JSON.parse(text) as T, first };
}
