import { ApplicationFailure } from '@temporalio/common';
import type OpenAI from 'openai';
import { FailureType } from '../core/failure.ts';
import { apiTrouble, isFinal, isNoSuchCall, isNotFound, notTheApi, toFailure } from './failure.ts';
import { MAX_LIST_PAGE } from './list-batches.ts';

/** No byte for this long: the download is dead. The SDK's own timeout ends at the response's headers. */
const IDLE_MS = 60_000;

/** Whether the key sees the file; null when the server shows no file by itself or has no list of them. */
export async function seesFile(client: OpenAI, fileId: string, signal: AbortSignal): Promise<boolean | null> {
  if (await isShown(client, fileId, signal)) return true;
  const listed = await listFiles(client, signal);
  if (listed === null || listed.includes(fileId)) return null;
  const [other] = listed;
  // A new project's list is empty.
  return other === undefined || (await isShown(client, other, signal)) ? false : null;
}

async function isShown(client: OpenAI, fileId: string, signal: AbortSignal): Promise<boolean> {
  try {
    return (await client.files.retrieve(fileId, { signal }))?.id === fileId;
  } catch (error) {
    if (isNotFound(error) || isNoSuchCall(error)) return false;
    throw toFailure(error, 'GET /files/{id}');
  }
}

/** The ids of the newest files; null where the server has no such list. */
async function listFiles(client: OpenAI, signal: AbortSignal): Promise<string[] | null> {
  try {
    const { data } = await client.get<{ data?: unknown }>('/files', {
      query: { limit: MAX_LIST_PAGE },
      signal,
    });
    return Array.isArray(data) ? data.map((file: { id?: unknown }) => String(file?.id)) : null;
  } catch (error) {
    const failure = toFailure(error, 'GET /files');
    if (isFinal(failure)) return null;
    throw failure;
  }
}

/** What the API says of the file's size; null when it does not, or refuses to. */
export async function fileSize(client: OpenAI, fileId: string, signal: AbortSignal): Promise<number | null> {
  try {
    const file = await client.files.retrieve(fileId, { signal });
    if (typeof file?.id !== 'string') throw notTheApi('GET /files/{id}');
    return typeof file.bytes === 'number' ? file.bytes : null;
  } catch (error) {
    const failure = toFailure(error, 'GET /files/{id}');
    if (isNoSuchCall(error) || isFinal(failure)) return null;
    throw failure;
  }
}

/** The bytes of a file; null when the API does not have it any more, or refuses it for good. */
export async function openFile(
  client: OpenAI,
  fileId: string,
  { signal, patience }: { signal: AbortSignal; patience: number },
): Promise<AsyncIterable<Uint8Array> | null> {
  let response: Response;
  try {
    response = await client.files.content(fileId, { signal });
  } catch (error) {
    if (isNotFound(error)) return null;
    const failure = toFailure(error, 'GET /files/{id}/content');
    // Refused for good, for this file: its lines are settled without it.
    if (failure instanceof ApplicationFailure && failure.type === FailureType.RequestRefused) return null;
    throw failure;
  }
  // No file of answers is a web page; a proxy's would be read as a file without rows, and its lines bought again.
  if (/^text\/html/i.test(response.headers.get('content-type') ?? '')) {
    await response.body?.cancel().catch(() => undefined); // nobody reads it
    throw notTheApi('GET /files/{id}/content');
  }
  return bytesOf(response, IDLE_MS * patience);
}

/** The body's bytes; fails when none come for a minute, or when there are fewer than its header names. */
async function* bytesOf(response: Response, idleMs: number): AsyncGenerator<Uint8Array> {
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
  if (bytes < named) throw brokenDownload(`ended after ${bytes} of ${named} bytes`);
}

async function nextChunk(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  idleMs: number,
): ReturnType<ReadableStreamDefaultReader<Uint8Array>['read']> {
  let timer: NodeJS.Timeout | undefined;
  const idle = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(brokenDownload('stalled')), idleMs);
  });
  try {
    return await Promise.race([reader.read(), idle]);
  } catch (error) {
    throw error instanceof ApplicationFailure ? error : brokenDownload('broke off');
  } finally {
    clearTimeout(timer);
  }
}

/** A file that did not come whole: it is to be downloaded again. */
export function brokenDownload(what: string): ApplicationFailure {
  return apiTrouble(`GET /files/{id}/content: ${what}`);
}
