import { ApplicationFailure } from '@temporalio/common';
import type OpenAI from 'openai';
import { apiTrouble, callApi, idOf } from './failure.ts';

/** A file that is to be uploaded. */
export interface FileToUpload {
  /** Reads from disk as it is sent. */
  readonly blob: Blob;
  readonly name: string;
}

interface UploadCalls {
  readonly signal: AbortSignal;
  /** Scales their timeouts. */
  readonly patience: number;
}

/** Bytes from which an input file goes up in parts (`POST /uploads`): each part can be retried alone. */
export const MULTIPART_FROM_BYTES = 32_000_000;

/** Bytes of one part; the API allows 64 MB. Spec, CreateUploadPart. */
const UPLOAD_PART_BYTES = 16_000_000;

/** Below this speed a transfer counts as dead: the timeout of a call grows with its bytes. */
const SLOWEST_BYTES_PER_SECOND = 200_000;

/** Uploaded inputs and answers are kept by the API for 30 days unless told otherwise; we say it, so that no quota fills up. */
const expiresAfter = { anchor: 'created_at', seconds: 30 * 86_400 } as const;

/**
 * Uploads the file and returns its id. The size that the API names is no bound: a gateway may rewrite the file on its way
 * (an alias of a model), and name the size of what it stores. A size that differs may also be that of a broken upload, so
 * the file is uploaded once more; the same size twice is accepted.
 */
export async function uploadFile(client: OpenAI, file: FileToUpload, calls: UploadCalls): Promise<string> {
  let before: number | null = null;
  for (;;) {
    const held = await uploadOnce(client, file, calls);
    const fileId = idOf(held, 'POST /files');
    const { bytes } = held;
    // Some servers do not say how many bytes they hold.
    if (typeof bytes !== 'number' || bytes === file.blob.size || bytes === before) return fileId;
    if (before !== null) throw apiTrouble(`POST /files: the API holds ${bytes} bytes of ${file.blob.size}`);
    before = bytes;
  }
}

/** What the API says of a file that it holds. */
interface HeldFile {
  readonly id: string;
  readonly bytes?: unknown;
}

/** Where `POST /uploads` is refused for any reason, `POST /files` decides: an upload costs nothing. */
async function uploadOnce(client: OpenAI, file: FileToUpload, calls: UploadCalls): Promise<HeldFile> {
  if (file.blob.size >= MULTIPART_FROM_BYTES) {
    try {
      return await uploadInParts(client, file, calls);
    } catch (error) {
      if (!isAnswered(error)) throw error;
    }
  }
  return await uploadAtOnce(client, file, calls);
}

/** True when a call failed by what the server answered; a rate (429) and a call without an answer are tried again. */
function isAnswered(error: unknown): boolean {
  if (!(error instanceof ApplicationFailure)) return false;
  const [answer] = (error.details ?? []) as ({ status?: unknown } | undefined)[];
  return answer === undefined || (answer.status !== null && answer.status !== 429);
}

async function uploadAtOnce(
  client: OpenAI,
  { blob, name }: FileToUpload,
  { signal, patience }: UploadCalls,
): Promise<HeldFile> {
  return await callApi('POST /files', async () => {
    // A Blob that reads from disk keeps Content-Length and costs no memory; a stream would be sent chunked.
    const file = new File([blob], name, { type: 'application/jsonl' });
    return await client.files.create(
      { file, purpose: 'batch', expires_after: expiresAfter },
      { signal, timeout: timeoutMs(blob.size, patience) },
    );
  });
}

async function uploadInParts(
  client: OpenAI,
  { blob, name }: FileToUpload,
  { signal, patience }: UploadCalls,
): Promise<HeldFile> {
  const upload = await callApi('POST /uploads', () =>
    client.uploads.create(
      {
        bytes: blob.size,
        filename: name,
        mime_type: 'application/jsonl',
        purpose: 'batch',
        expires_after: expiresAfter,
      },
      { signal },
    ),
  );
  const uploadId = idOf(upload, 'POST /uploads');
  const partIds: string[] = [];
  for (let start = 0; start < blob.size; start += UPLOAD_PART_BYTES) {
    const data = new File([blob.slice(start, start + UPLOAD_PART_BYTES)], 'part');
    const part = await callApi('POST /uploads/parts', () =>
      client.uploads.parts.create(
        uploadId,
        { data },
        { signal, timeout: timeoutMs(UPLOAD_PART_BYTES, patience) },
      ),
    );
    partIds.push(idOf(part, 'POST /uploads/parts'));
  }
  const done = await callApi('POST /uploads/complete', () =>
    client.uploads.complete(
      uploadId,
      { part_ids: partIds },
      { signal, timeout: timeoutMs(blob.size, patience) },
    ),
  );
  if (done.file === null || done.file === undefined) {
    throw apiTrouble('POST /uploads/complete: answered without a file');
  }
  return done.file;
}

function timeoutMs(bytes: number, patience: number): number {
  return Math.round(Math.max(5_000, 60_000 * patience) + (bytes / SLOWEST_BYTES_PER_SECOND) * 1_000);
}
