import { activityInfo } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { FailureType } from '../core/failure.ts';
import type { Dependencies } from './dependencies.ts';
import { apiTrouble, isNoSuchCall, isNotFound, notTheApi, toFailure } from '../openai/failure.ts';

/** No byte for this long: the download is dead. The SDK's own timeout ends at the response's headers. */
const IDLE_MS = 60_000;

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
  { api, store, patience, observer }: Dependencies,
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
    const response = await openFile(api, fileId, signal);
    if (response === 'gone') return held === null ? 'gone' : 'here';
    const isWhole = (bytes: number): boolean => bytes >= (held ?? 0) && (bytes >= hint || bytes === before);
    try {
      const bytes = await store.writeStream(key, checked(response, isWhole, IDLE_MS * patience));
      observer?.onDownloaded({ bytes });
      return 'here';
    } catch (error) {
      if (!(error instanceof ShortBody)) throw error;
      if (held !== null && error.bytes < held) return 'here';
      if (before !== null) throw trouble(`ended after ${error.bytes} of ${hint} bytes`);
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

/** What the API says of the file's size; null when it does not. No refusal of this call holds the file up for long. */
async function sizeHint(
  api: Dependencies['api'],
  fileId: string,
  signal: AbortSignal,
): Promise<number | null> {
  try {
    const file = await api.files.retrieve(fileId, { signal });
    if (typeof file?.id !== 'string') throw notTheApi('GET /files/{id}');
    return typeof file.bytes === 'number' ? file.bytes : null;
  } catch (error) {
    const failure = toFailure(error, 'GET /files/{id}');
    // Without the hint a body that was cut short by a proxy may look whole: a trouble that passes is worth the wait.
    const isRefused = isNoSuchCall(error) || (failure instanceof ApplicationFailure && failure.nonRetryable);
    const hasTried = failure instanceof ApplicationFailure && activityInfo().attempt > HINT_ATTEMPTS;
    if (isRefused || hasTried) return null;
    throw failure;
  }
}

async function openFile(
  api: Dependencies['api'],
  fileId: string,
  signal: AbortSignal,
): Promise<Response | 'gone'> {
  let response: Response;
  try {
    response = await api.files.content(fileId, { signal });
  } catch (error) {
    if (isNotFound(error)) return 'gone';
    const failure = toFailure(error, 'GET /files/{id}/content');
    // Refused for good, for this file: its lines are settled without it.
    if (failure instanceof ApplicationFailure && failure.type === FailureType.RequestRefused) return 'gone';
    throw failure;
  }
  // No file of answers is a web page; a proxy's would be read as a file without rows, and its lines bought again.
  if (/^text\/html/i.test(response.headers.get('content-type') ?? '')) {
    await response.body?.cancel().catch(() => undefined); // nobody reads it
    throw notTheApi('GET /files/{id}/content');
  }
  return response;
}

/** The body's bytes; fails when none come for a minute, when there are fewer than its header names, or when it is not whole. */
async function* checked(
  response: Response,
  isWhole: (bytes: number) => boolean,
  idleMs: number,
): AsyncGenerator<Uint8Array> {
  const { headers } = response;
  // The header counts encoded bytes, and what is read is decoded.
  const named = headers.has('content-encoding') ? 0 : Number(headers.get('content-length') ?? 0);
  let bytes = 0;
  if (response.body !== null) {
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    try {
      for (;;) {
        const { done, value } = await nextChunk(reader, idleMs);
        if (done) break;
        bytes += value.length;
        yield value;
      }
    } finally {
      await reader.cancel().catch(() => undefined); // the connection is of no further use
    }
  }
  if (bytes < named) throw trouble(`ended after ${bytes} of ${named} bytes`);
  if (!isWhole(bytes)) throw new ShortBody(bytes);
}

async function nextChunk(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  idleMs: number,
): ReturnType<ReadableStreamDefaultReader<Uint8Array>['read']> {
  let timer: NodeJS.Timeout | undefined;
  const idle = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(trouble('stalled')), idleMs);
  });
  try {
    return await Promise.race([reader.read(), idle]);
  } catch (error) {
    throw error instanceof ApplicationFailure ? error : trouble('broke off');
  } finally {
    clearTimeout(timer);
  }
}

function trouble(what: string): ApplicationFailure {
  return apiTrouble(`GET /files/{id}/content: ${what}`);
}
