import { ApplicationFailure } from '@temporalio/common';
import type { Dependencies } from './dependencies.ts';
import { apiTrouble, callApi, isNoSuchCall, isNotFound, notTheApi } from './openai-failure.ts';

/** No byte for this long: the download is dead. The SDK's own timeout ends at the response's headers. */
const IDLE_MS = 60_000;

/** `here`: the whole file is in the store; `none`: the batch names no such file; `gone`: it does, but the API has it no more. */
export async function downloadFile(
  { api, store, patience, observer }: Dependencies,
  fileId: string | null,
  key: string,
  signal: AbortSignal,
  again: boolean = false,
): Promise<'here' | 'none' | 'gone'> {
  if (fileId === null) return 'none';
  if ((await store.size(key)) !== null && !again) return 'here';
  let expected: number | null = null;
  let response: Response;
  try {
    // The length is asked first: a proxy may cut a chunked download without any sign of it.
    expected = await api.files.retrieve(fileId, { signal }).then(
      (file) => {
        if (typeof file?.id !== 'string') throw notTheApi('GET /files/{id}');
        return file.bytes ?? null;
      },
      (error: unknown) => {
        // Some servers have no route for a file's status; its content is what counts.
        if (isNotFound(error) || isNoSuchCall(error)) return null;
        throw error;
      },
    );
    response = await api.files.content(fileId, { signal });
  } catch (error) {
    if (isNotFound(error)) return 'gone';
    return await callApi('GET /files/{id}/content', () => Promise.reject(error));
  }
  // No file of answers is a web page; a proxy's would be read as a file without rows, and its lines bought again.
  if (/^text\/html/i.test(response.headers.get('content-type') ?? ''))
    throw notTheApi('GET /files/{id}/content');
  const bytes = await store.writeStream(key, checked(response, expected, IDLE_MS * patience));
  observer?.onDownloaded({ bytes });
  return 'here';
}

/** The body's bytes; fails when none come for a minute or when there are fewer than promised. */
async function* checked(
  response: Response,
  expected: number | null,
  idleMs: number,
): AsyncGenerator<Uint8Array> {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const promised = Number(response.headers.get('content-length') ?? Number.NaN);
  let bytes = 0;
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
  const wanted = response.headers.has('content-encoding') || Number.isNaN(promised) ? expected : promised;
  if (wanted !== null && bytes < Math.max(wanted, expected ?? 0))
    throw trouble(`ended after ${bytes} of ${Math.max(wanted, expected ?? 0)} bytes`);
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
