import { activityInfo } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { BatchApi } from '../../openai/batch-api.ts';
import { brokenDownload } from '../../openai/files.ts';
import type { Dependencies } from '../step/dependencies.ts';

/** Attempts of a step in which the size of a file is waited for. */
const HINT_ATTEMPTS = 3;

/**
 * Downloads a file whole: `here`: it is in the store; `none`: the batch names no such file; `gone`: the API does not have it
 * any more, or refuses it for good. With `again` a file that is in the store already is downloaded once more, since it may
 * have been empty or cut short at first; what is in the store stays unless the new one is at least as long.
 *
 * The `bytes` of the file's object are a hint, since some servers estimate them. A body with fewer bytes than the hint may
 * have been cut short by a proxy without any sign of it: it is downloaded again at once, and the same length twice is the
 * file. A body that breaks off or stalls is an error.
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

/** A body that ended cleanly with fewer bytes than expected. */
class ShortBody extends Error {
  readonly bytes: number;
  constructor(bytes: number) {
    super('The body is shorter than expected.');
    this.bytes = bytes;
  }
}

/** What the API says of the file's size; null when it does not. No trouble of this call holds the file up for long. */
async function sizeHint(api: BatchApi, fileId: string, signal: AbortSignal): Promise<number | null> {
  try {
    return await api.fileSize(fileId, signal);
  } catch (error) {
    // Without the hint a body that was cut short by a proxy may look whole: a trouble that passes is worth the wait.
    const hasTried = error instanceof ApplicationFailure && activityInfo().attempt > HINT_ATTEMPTS;
    if (hasTried) return null;
    throw error;
  }
}

/** The body's bytes; fails when it is not whole. */
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
