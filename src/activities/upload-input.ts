import pLimit from 'p-limit';
import { UPLOADS_AT_ONCE } from '../core/step-queues.ts';
import type { ShardManifest } from '../core/shard-plan.ts';
import { shardFiles } from '../store/job-files.ts';
import { claimRecord, readRecord } from '../store/store.ts';
import type { Dependencies } from './step/dependencies.ts';
import { withHeartbeat } from './step/heartbeat.ts';

/** One upload of a shard; `upload` counts from 1 and grows when the API has lost the file. */
export interface UploadRequest {
  readonly job: string;
  readonly shard: string;
  readonly upload: number;
}

/** The record of an upload. */
interface UploadRecord {
  readonly fileId: string;
  readonly bytes: number;
}

/** Limits workers whose transfers have no queue of their own. */
const uploads = pLimit(UPLOADS_AT_ONCE);

/**
 * Uploads a shard's requests.
 * Safe twice: an upload costs nothing, and the first recorded file id is used; a file whose reply was lost stays unused and
 * expires.
 */
export async function uploadInput(deps: Dependencies, request: UploadRequest): Promise<string> {
  const { api, store, observer } = deps;
  const { job, shard, upload } = request;
  const key = shardFiles.upload(job, shard, upload);
  const known = await readRecord<UploadRecord>(store, key);
  if (known !== null) return known.fileId;
  const { packs } = (await readRecord<ShardManifest>(store, shardFiles.manifest(job, shard)))!;
  const file = packs === undefined ? shardFiles.requests : shardFiles.packed;
  const blob = await store.blob(file(job, shard));
  const name = `${job}-${shard}.jsonl`;
  const fileId = await withHeartbeat((signal) => uploads(() => api.uploadFile({ blob, name }, signal)));
  observer?.onUploaded({ job, shard, bytes: blob.size }); // also if another attempt was first: the bytes were sent
  const { record } = await claimRecord<UploadRecord>(store, key, { fileId, bytes: blob.size });
  return record.fileId;
}
