import type OpenAI from 'openai';
import pLimit from 'p-limit';
import { MULTIPART_FROM_BYTES, UPLOAD_PART_BYTES } from '../core/limits.ts';
import { shardFiles } from '../store/job-files.ts';
import { claimRecord, readRecord } from '../store/store.ts';
import type { Dependencies } from './dependencies.ts';
import { whileBeating } from './heartbeat.ts';
import { apiTrouble, callApi, idOf, isNoSuchCall } from './openai-failure.ts';

/** One upload of a shard; `upload` counts from 1 and grows when the API lost the file. */
export interface UploadRequest {
  readonly job: string;
  readonly shard: string;
  readonly upload: number;
}

/** What is kept of an upload. */
interface UploadRecord {
  readonly fileId: string;
  readonly bytes: number;
}

/** Below this speed a transfer counts as dead: the timeout of a call grows with its bytes. */
const SLOWEST_BYTES_PER_SECOND = 200_000;

/** Uploads of this process at a time: a few fill any line. */
const uploads = pLimit(4);

/** Uploaded inputs and answers are kept by the API for 30 days unless told otherwise; we say it, so that no quota fills up. */
const expiresAfter = { anchor: 'created_at', seconds: 30 * 86_400 } as const;

/**
 * Uploads a shard's requests.
 * Safe twice: an upload costs nothing, and the first file id on record is the one that is used; a file whose
 * reply was lost stays unused and expires.
 */
export async function uploadInput(deps: Dependencies, request: UploadRequest): Promise<string> {
  const { store, observer } = deps;
  const { job, shard, upload } = request;
  const key = shardFiles.upload(job, shard, upload);
  const known = await readRecord<UploadRecord>(store, key);
  if (known !== null) return known.fileId;
  const blob = await store.blob(shardFiles.requests(job, shard));
  const name = `${job}-${shard}.jsonl`;
  const file = await whileBeating((signal) =>
    uploads(async () =>
      blob.size >= MULTIPART_FROM_BYTES
        ? await uploadInParts(deps, blob, name, signal)
        : await uploadAtOnce(deps, blob, name, signal),
    ),
  );
  const fileId = idOf(file, 'POST /files');
  // Some servers do not say how many bytes they hold.
  if (typeof file.bytes === 'number' && file.bytes !== blob.size) {
    throw apiTrouble(`POST /files: the API holds ${file.bytes} bytes of ${blob.size}`);
  }
  observer?.onUploaded({ job, shard, bytes: blob.size }); // also where another attempt was first: the bytes have travelled
  const { record } = await claimRecord<UploadRecord>(store, key, { fileId, bytes: blob.size });
  return record.fileId;
}

async function uploadAtOnce(
  { api, patience }: Dependencies,
  blob: Blob,
  name: string,
  signal: AbortSignal,
): Promise<{ id: string; bytes: number }> {
  return await callApi('POST /files', async () => {
    // A Blob that reads from disk keeps Content-Length and costs no memory; a stream would be sent chunked.
    const file = new File([blob], name, { type: 'application/jsonl' });
    return await api.files.create(
      { file, purpose: 'batch', expires_after: expiresAfter },
      { signal, timeout: timeoutMs(blob.size, patience) },
    );
  });
}

async function uploadInParts(
  deps: Dependencies,
  blob: Blob,
  name: string,
  signal: AbortSignal,
): Promise<{ id: string; bytes: number }> {
  const { api, patience } = deps;
  let upload: OpenAI.Uploads.Upload;
  try {
    upload = await api.uploads.create(
      {
        bytes: blob.size,
        filename: name,
        mime_type: 'application/jsonl',
        purpose: 'batch',
        expires_after: expiresAfter,
      },
      { signal },
    );
  } catch (error) {
    // Servers that speak the Batch API need not have /uploads.
    if (isNoSuchCall(error)) return await uploadAtOnce(deps, blob, name, signal);
    return await callApi('POST /uploads', () => Promise.reject(error));
  }
  const uploadId = idOf(upload, 'POST /uploads');
  const partIds: string[] = [];
  for (let start = 0; start < blob.size; start += UPLOAD_PART_BYTES) {
    const data = new File([blob.slice(start, start + UPLOAD_PART_BYTES)], 'part');
    const part = await callApi('POST /uploads/parts', () =>
      api.uploads.parts.create(
        uploadId,
        { data },
        { signal, timeout: timeoutMs(UPLOAD_PART_BYTES, patience) },
      ),
    );
    partIds.push(idOf(part, 'POST /uploads/parts'));
  }
  const done = await callApi('POST /uploads/complete', () =>
    api.uploads.complete(
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
