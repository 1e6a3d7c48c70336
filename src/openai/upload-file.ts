import { ApplicationFailure } from '@temporalio/common';
import type OpenAI from 'openai';
import { apiTrouble, callApi, idOf } from './failure.ts';

/** A file to upload. */
export interface FileToUpload {
  /** Reads from disk while it is sent. */
  readonly blob: Blob;
  readonly name: string;
}

interface CallOptions {
  readonly signal: AbortSignal;
  /** Scales the timeouts. */
  readonly patience: number;
}

/** Size in bytes from which an input file is uploaded in parts (`POST /uploads`). */
export const MULTIPART_FROM_BYTES = 32_000_000;

/** Size of one part in bytes; the API allows 64 MB. Spec, CreateUploadPart. */
const UPLOAD_PART_BYTES = 16_000_000;

/** The timeout of a call grows with its size: it allows for this speed. */
const SLOWEST_BYTES_PER_SECOND = 200_000;

/** The API's default for input and result files of batches, set explicitly, so that files never fill the quota. */
const expiresAfter = { anchor: 'created_at', seconds: 30 * 86_400 } as const;

/**
 * Uploads the file and returns its id. The size that the API returns may differ: a gateway may rewrite the file (an alias of a
 * model) and return the size of its copy. The upload may also be incomplete, so the file is uploaded again; the same size twice
 * is accepted.
 */
export async function uploadFile(client: OpenAI, file: FileToUpload, calls: CallOptions): Promise<string> {
  let before: number | null = null;
  for (;;) {
    const uploaded = await uploadOnce(client, file, calls);
    const fileId = idOf(uploaded, 'POST /files');
    const { bytes } = uploaded;
    // Some servers do not return a size.
    if (typeof bytes !== 'number' || bytes === file.blob.size || bytes === before) return fileId;
    if (before !== null)
      throw apiTrouble(`POST /files: the API has stored ${bytes} of ${file.blob.size} bytes`);
    before = bytes;
  }
}

/** A file object of the API. */
interface UploadedFile {
  readonly id: string;
  readonly bytes?: unknown;
}

/** If `POST /uploads` is refused for any reason, tries `POST /files`: an upload costs nothing. */
async function uploadOnce(client: OpenAI, file: FileToUpload, calls: CallOptions): Promise<UploadedFile> {
  if (file.blob.size >= MULTIPART_FROM_BYTES) {
    try {
      return await uploadInParts(client, file, calls);
    } catch (error) {
      if (!isServerResponse(error)) throw error;
    }
  }
  return await uploadAtOnce(client, file, calls);
}

/** True when the call failed with a response of the server. A rate limit (429) and a call without a response are retried instead. */
function isServerResponse(error: unknown): boolean {
  if (!(error instanceof ApplicationFailure)) return false;
  const [response] = (error.details ?? []) as ({ status?: unknown } | undefined)[];
  return response === undefined || (response.status !== null && response.status !== 429);
}

async function uploadAtOnce(
  client: OpenAI,
  { blob, name }: FileToUpload,
  { signal, patience }: CallOptions,
): Promise<UploadedFile> {
  return await callApi('POST /files', async () => {
    // A Blob that reads from disk has a Content-Length and needs no memory; a stream would be sent chunked.
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
  { signal, patience }: CallOptions,
): Promise<UploadedFile> {
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
    throw apiTrouble('POST /uploads/complete: the response has no file');
  }
  return done.file;
}

function timeoutMs(bytes: number, patience: number): number {
  return Math.round(Math.max(5_000, 60_000 * patience) + (bytes / SLOWEST_BYTES_PER_SECOND) * 1_000);
}
