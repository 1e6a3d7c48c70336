import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** A raw file of a batch, as the API returned it. */
export interface RawFile {
  readonly path: string;
  /** Its key in the store, for messages. */
  readonly key: string;
}

/** The raw file of a key; null for a batch without that file. */
export function rawFile(folder: string, key: string | null): RawFile | null {
  return key === null ? null : { path: join(folder, key), key };
}

/**
 * The raw files of a shard, kept open from before their rows are read until their bytes are copied: another attempt, which was stalled,
 * may download and replace them meanwhile.
 */
export class OpenRawFiles implements Disposable {
  readonly descriptors: readonly (number | null)[];
  private readonly files: readonly (RawFile | null)[];

  constructor(files: readonly (RawFile | null)[]) {
    this.files = files;
    this.descriptors = files.map((file) => (file === null ? null : openSync(file.path, 'r')));
  }

  /** @throws Error (retryable) when a file was replaced after it was opened */
  assertSame(): void {
    for (const [i, file] of this.files.entries()) {
      if (file === null || statSync(file.path).ino === fstatSync(this.descriptors[i]!).ino) continue;
      throw new Error(`${file.key} was replaced while it was read: retried automatically.`);
    }
  }

  [Symbol.dispose](): void {
    for (const descriptor of this.descriptors) if (descriptor !== null) closeSync(descriptor);
  }
}
