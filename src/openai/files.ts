import { ApplicationFailure } from '@temporalio/common';
import type OpenAI from 'openai';
import { FailureType } from '../core/failure.ts';
import { apiTrouble, isFinal, isNoSuchCall, isNotFound, unexpectedResponse, toFailure } from './failure.ts';
import { MAX_LIST_PAGE } from './list-batches.ts';

/** A download fails after this long without a byte. The SDK's own timeout covers only the time to the response's headers. */
const IDLE_MS = 60_000;

/** Whether the key can read the file; null if the server cannot return single files or has no list of files. */
export async function isFileVisible(
  client: OpenAI,
  fileId: string,
  signal: AbortSignal,
): Promise<boolean | null> {
  if (await isReadable(client, fileId, signal)) return true;
  const listedIds = await listFiles(client, signal);
  if (listedIds === null || listedIds.includes(fileId)) return null;
  const [other] = listedIds;
  // If another file is readable, or the list is empty as in a new project, the key cannot read this file.
  return other === undefined || (await isReadable(client, other, signal)) ? false : null;
}

async function isReadable(client: OpenAI, fileId: string, signal: AbortSignal): Promise<boolean> {
  try {
    return (await client.files.retrieve(fileId, { signal }))?.id === fileId;
  } catch (error) {
    if (isNotFound(error) || isNoSuchCall(error)) return false;
    throw toFailure(error, 'GET /files/{id}');
  }
}

/** Returns the ids of the newest files; null if the server has no such list. */
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

/** Returns the size of the file according to the API; null if it returns none or refuses. */
export async function fileSize(client: OpenAI, fileId: string, signal: AbortSignal): Promise<number | null> {
  try {
    const file = await client.files.retrieve(fileId, { signal });
    if (typeof file?.id !== 'string') throw unexpectedResponse('GET /files/{id}');
    return typeof file.bytes === 'number' ? file.bytes : null;
  } catch (error) {
    const failure = toFailure(error, 'GET /files/{id}');
    if (isNoSuchCall(error) || isFinal(failure)) return null;
    throw failure;
  }
}

/** Returns the bytes of a file; null if the API has deleted it or refuses it permanently. */
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
    // Refused permanently for this file: its lines are settled without it.
    if (failure instanceof ApplicationFailure && failure.type === FailureType.RequestRefused) return null;
    throw failure;
  }
  // A proxy's web page would be read as a file without rows, and its lines would be bought again.
  if (/^text\/html/i.test(response.headers.get('content-type') ?? '')) {
    await response.body?.cancel().catch(() => undefined); // it is not read
    throw unexpectedResponse('GET /files/{id}/content');
  }
  return bytesOf(response, IDLE_MS * patience);
}

/** Yields the body's bytes; fails after a minute without data, or if there are fewer bytes than its header says. */
async function* bytesOf(response: Response, idleMs: number): AsyncGenerator<Uint8Array> {
  const { headers } = response;
  // The header counts encoded bytes, but the bytes read are decoded.
  const expected = headers.has('content-encoding') ? 0 : Number(headers.get('content-length') ?? 0);
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
      await reader.cancel().catch(() => undefined); // the connection is no longer needed
    }
  }
  if (bytes < expected) throw brokenDownload(`ended after ${bytes} of ${expected} bytes`);
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
    throw error instanceof ApplicationFailure ? error : brokenDownload('was interrupted');
  } finally {
    clearTimeout(timer);
  }
}

/** The failure of an incomplete download, which is retried. */
export function brokenDownload(what: string): ApplicationFailure {
  return apiTrouble(`GET /files/{id}/content: ${what}`);
}
