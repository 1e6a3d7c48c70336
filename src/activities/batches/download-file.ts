import { activityInfo } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { BatchApi } from '../../openai/batch-api.ts';
import { brokenDownload } from '../../openai/files.ts';
import type { Dependencies } from '../step/dependencies.ts';

/** A step fails and is retried for this many attempts while the size of a file cannot be read. */
const HINT_ATTEMPTS = 3;

/**
 * Downloads a whole file. Returns `here` if it is in the store, `none` if the batch names no such file, and `gone` if the API does
 * not have it any more or refuses it for good. With `again`, a file in the store is downloaded once more, because it may have
 * been empty or truncated at first; the new one replaces it if it is at least as long.
 *
 * The `bytes` of the file object are a hint, because some servers estimate them. A proxy may truncate a body without an error, so
 * a body with fewer bytes than the hint is downloaded again at once; the same length twice is accepted as the file. A body that
 * breaks off or stalls is an error.
 */
export async function downloadFile(
  { api, store, observer }: Dependencies,
  fileId: string | null,
  key: string,
  signal: AbortSignal,
  again: boolean = false,
): Promise<'here' | 'none' | 'gone'> {
  if (fileId === null) return 'none';
  const held = await store.size(key);
  if (held !== null && !again) return 'here';
  const hint = (await sizeHint(api, fileId, signal)) ?? 0;
  let before: number | null = null;
  for (;;) {
    const body = await api.openFile(fileId, signal);
    if (body === null) return held === null ? 'gone' : 'here';
    const isWhole = (bytes: number): boolean => bytes >= (held ?? 0) && (bytes >= hint || bytes === before);
    try {
      const bytes = await store.writeStream(key, checked(body, isWhole));
      observer?.onDownloaded({ bytes });
      return 'here';
    } catch (error) {
      if (!(error instanceof ShortBody)) throw error;
      if (held !== null && error.bytes < held) return 'here';
      if (before !== null) throw brokenDownload(`ended after ${error.bytes} of ${hint} bytes`);
      before = error.bytes;
    }
  }
}

/** A body that ended without an error and with fewer bytes than expected. */
class ShortBody extends Error {
  readonly bytes: number;
  constructor(bytes: number) {
    super('The body is shorter than expected.');
    this.bytes = bytes;
  }
}

/** Returns the size of the file in its object; null if there is none. A failure of this call delays the file only for some attempts. */
async function sizeHint(api: BatchApi, fileId: string, signal: AbortSignal): Promise<number | null> {
  try {
    return await api.fileSize(fileId, signal);
  } catch (error) {
    // Without the hint a body truncated by a proxy may seem whole, so a transient failure is worth a retry.
    const isLastTry = error instanceof ApplicationFailure && activityInfo().attempt > HINT_ATTEMPTS;
    if (isLastTry) return null;
    throw error;
  }
}

/** Yields the bytes of a body; throws `ShortBody` if it is not whole. */
async function* checked(
  body: AsyncIterable<Uint8Array>,
  isWhole: (bytes: number) => boolean,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    yield chunk;
  }
  if (!isWhole(bytes)) throw new ShortBody(bytes);
}
