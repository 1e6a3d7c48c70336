/**
 * The bytes of all jobs. Keys are relative paths with `/`. Writes are atomic: a reader gets a whole value or none.
 *
 * There are two writes: `replace` for values that every attempt writes alike, and `claim` for records of which only the first may
 * count (an intent, a batch's id).
 *
 * A read of a missing value returns null or throws an error with the code `ENOENT`.
 */
export interface Store {
  /** The path or URL of a value, for messages. */
  locationOf(key: string): string;
  /**
   * Tries what a store must be able to do, so that an unsuitable one is reported at the start and not in the middle of a job.
   * @throws BatchError `store_unavailable`
   */
  check(): Promise<void>;
  /** Reads a whole value; null when there is none. For records, not for large files. */
  read(key: string): Promise<string | null>;
  /** Reads up to `length` bytes of a value from an offset; fewer at its end. */
  readAt(key: string, offset: number, length: number): Promise<Buffer>;
  /** The bytes of a value, in order. Resources are released after the last byte, and when the caller stops early. */
  readStream(key: string): AsyncIterable<Buffer>;
  /** The value as a Blob that reads its bytes while it is sent. */
  blob(key: string): Promise<Blob>;
  /** Size of a value in bytes; null when there is none. */
  size(key: string): Promise<number | null>;
  /**
   * Names of the values directly under a folder of keys, in order; none when there is no such folder. They include every value whose
   * write has returned: the register of a series depends on that.
   */
  list(folder: string): Promise<string[]>;
  /** Names of the folders of keys directly under a folder, in order; none when there is no such folder. */
  listFolders(folder: string): Promise<string[]>;
  /** Writes a whole value, and replaces an existing one. */
  replace(key: string, text: string): Promise<void>;
  /**
   * Writes a value if it is absent: exactly one of all writers, on any machine, is first. Returns the key's value and whether this call
   * wrote it. The returned value survives a power cut.
   */
  claim(key: string, text: string): Promise<{ text: string; first: boolean }>;
  /** Writes a stream of bytes as a whole value; returns its length. */
  writeStream(key: string, chunks: AsyncIterable<Uint8Array>): Promise<number>;
  /** Deletes a value, if there is one. For values that no record names. */
  remove(key: string): Promise<void>;
  /** Deletes all values under a folder of keys. */
  removeAll(folder: string): Promise<void>;
  /**
   * Moves every value under a folder of keys to its key without the folder, and replaces existing values; values that an earlier call
   * moved stay. For values that count once a record names them.
   */
  moveToRoot(folder: string): Promise<void>;
  /**
   * Fetches values to local files, calls `work`, and publishes the files that it created. `work` gets a folder in which the values of
   * `keys` are files, each at its key; a key without a value has no file. When `work` returns, every file that it created there is the
   * value of its key; when it throws, there is no guarantee. `work` must not change fetched files.
   */
  withFiles<T>(keys: KeysToFetch, work: (folder: string) => Promise<T>): Promise<T>;
}

/** Keys of values that `work` needs as files. A store whose values already are files does not read them. */
export type KeysToFetch = Iterable<string> | AsyncIterable<string>;

/** Reads a JSON record; null when there is none. */
export async function readRecord<T>(store: Store, key: string): Promise<T | null> {
  const text = await store.read(key);
  return text === null ? null : (JSON.parse(text) as T);
}

/** Writes a record if its key has none; every call returns the first record written. */
export async function claimRecord<T>(
  store: Store,
  key: string,
  record: T,
): Promise<{ record: T; first: boolean }> {
  const { text, first } = await store.claim(key, JSON.stringify(record));
  return { record: JSON.parse(text) as T, first };
}
