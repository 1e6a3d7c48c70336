import { ApplicationFailure } from '@temporalio/common';
import pLimit from 'p-limit';
import { MULTIPART_FROM_BYTES, UPLOAD_PART_BYTES } from '../core/limits.ts';
import { UPLOADS_AT_ONCE } from '../core/step-queues.ts';
import { shardFiles } from '../store/job-files.ts';
import { claimRecord, readRecord } from '../store/store.ts';
import type { Dependencies } from './dependencies.ts';
import { whileBeating } from './heartbeat.ts';
import { apiTrouble, callApi, idOf } from '../openai/failure.ts';

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

/** For workers whose transfers have no queue of their own. */
const uploads = pLimit(UPLOADS_AT_ONCE);

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
  const fileId = await whileBeating((signal) => uploads(() => uploadWhole(deps, blob, name, signal)));
  observer?.onUploaded({ job, shard, bytes: blob.size }); // also where another attempt was first: the bytes have travelled
  const { record } = await claimRecord<UploadRecord>(store, key, { fileId, bytes: blob.size });
  return record.fileId;
}

/**
 * Uploads the file and returns its id. The size that the API names is no bound: a gateway may rewrite the file on its way
 * (an alias of a model), and name the size of what it stores. A size that differs may also be that of a broken upload, so
 * the file is uploaded once more; the same size twice is accepted.
 */
async function uploadWhole(
  deps: Dependencies,
  blob: Blob,
  name: string,
  signal: AbortSignal,
): Promise<string> {
  let before: number | null = null;
  for (;;) {
    const file = await uploadOnce(deps, blob, name, signal);
    const fileId = idOf(file, 'POST /files');
    const { bytes } = file;
    // Some servers do not say how many bytes they hold.
    if (typeof bytes !== 'number' || bytes === blob.size || bytes === before) return fileId;
    if (before !== null) throw apiTrouble(`POST /files: the API holds ${bytes} bytes of ${blob.size}`);
    before = bytes;
  }
}

/** What the API says of a file that it holds. */
interface HeldFile {
  readonly id: string;
  readonly bytes?: unknown;
}

/** Where `POST /uploads` is refused for any reason, `POST /files` decides: an upload costs nothing. */
async function uploadOnce(
  deps: Dependencies,
  blob: Blob,
  name: string,
  signal: AbortSignal,
): Promise<HeldFile> {
  if (blob.size >= MULTIPART_FROM_BYTES) {
    try {
      return await uploadInParts(deps, blob, name, signal);
    } catch (error) {
      if (!isAnswered(error)) throw error;
    }
  }
  return await uploadAtOnce(deps, blob, name, signal);
}

/** True when a call failed by what the server answered; a rate (429) and a call without an answer are tried again. */
function isAnswered(error: unknown): boolean {
  if (!(error instanceof ApplicationFailure)) return false;
  const [answer] = (error.details ?? []) as ({ status?: unknown } | undefined)[];
  return answer === undefined || (answer.status !== null && answer.status !== 429);
}

async function uploadAtOnce(
  { api, patience }: Dependencies,
  blob: Blob,
  name: string,
  signal: AbortSignal,
): Promise<HeldFile> {
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
): Promise<HeldFile> {
  const { api, patience } = deps;
  const upload = await callApi('POST /uploads', () =>
    api.uploads.create(
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
