/**
 * Where the bytes of all jobs live. Keys are relative paths with `/`; a value is seen whole or not at all.
 *
 * Two writes exist because two promises need them: `replace` for files that any attempt would write alike,
 * and `claim` for records of which only the first may count (an intent, a batch's id).
 *
 * A value that is to be read and is not there is told by null, or by an error with the code `ENOENT`.
 */
export interface Store {
  /** Where a value is, for messages to people: its path, or its URL. */
  locationOf(key: string): string;
  /**
   * Tries what a store must be able to do, so that one that is not able is told at the start and not in the middle of a job.
   * @throws BatchError `store_unavailable`
   */
  check(): Promise<void>;
  /** Reads a whole value; null when there is none. For records, not for big files. */
  read(key: string): Promise<string | null>;
  /** Reads so many bytes of a value from an offset on; fewer where it ends before. */
  readAt(key: string, offset: number, length: number): Promise<Buffer>;
  /** The bytes of a value, in order. What reads it is let go when the last one was read, and when the caller leaves early. */
  readStream(key: string): AsyncIterable<Buffer>;
  /** The value as a Blob that reads where it is kept as it is sent. */
  blob(key: string): Promise<Blob>;
  /** Size of a value in bytes; null when there is none. */
  size(key: string): Promise<number | null>;
  /**
   * Names of the values directly under a folder of keys, in order; none when there is no such folder. Every value whose write was
   * answered before is among them: the register of a series rests on it.
   */
  list(folder: string): Promise<string[]>;
  /** Writes a whole value in place of whatever was there. */
  replace(key: string, text: string): Promise<void>;
  /**
   * Writes a value if it is absent: of any number of writers, wherever they are, exactly one is first. Answers what the key holds
   * now and whether it was this call's. What was answered outlasts a power cut.
   */
  claim(key: string, text: string): Promise<{ text: string; first: boolean }>;
  /** Writes a stream of bytes as a whole value; answers its length. */
  writeStream(key: string, chunks: AsyncIterable<Uint8Array>): Promise<number>;
  /** Takes a value away; nothing happens where there is none. For values that no record names. */
  remove(key: string): Promise<void>;
  /** Takes all values under a folder of keys away. */
  removeAll(folder: string): Promise<void>;
  /**
   * Gives every value under a folder of keys the key that it has behind the folder's, in place of whatever was there; those that
   * were moved before stay. For values that count once a record names them.
   */
  moveToRoot(folder: string): Promise<void>;
  /**
   * Fetches values to local files, lets them be worked on, and publishes the files that the work has made. `work` gets a folder in
   * which the values of `keys` are files, each at its key; keys without a value have none. When it is done, every file that
   * it has put there is the value of its key; of work that fails nothing is promised. Files that were fetched are not to be changed.
   */
  withFiles<T>(keys: KeysToFetch, work: (folder: string) => Promise<T>): Promise<T>;
}

/** Keys of values that work needs as files. A store that has them as files already asks for none. */
export type KeysToFetch = Iterable<string> | AsyncIterable<string>;

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
