import type { BatchRef } from '../../core/batch-groups.ts';
import type { ShardManifest } from '../../core/shard-plan.ts';
import type { ApiBatch } from '../../openai/api-batch.ts';
import { shardFiles } from '../../store/job-files.ts';
import { claimRecord, readRecord } from '../../store/store.ts';
import type { Dependencies } from '../step/dependencies.ts';

/** A batch of a shard of a job. */
export interface JobBatchRef extends BatchRef {
  readonly job: string;
}

/** The record of a batch, written by the first attempt that knew its id. */
export interface BatchRecord {
  readonly batchId: string;
  /** Seconds since 1970, by the API's clock. */
  readonly createdAt: number;
  /** True when a search found it: the reply to its POST was not recorded. */
  readonly adopted: boolean;
  /** Lines that share a request, on average: the API counts requests. Absent if each line has its own. */
  readonly linesPerRequest?: number;
}

/** Records a batch as the n-th of its shard, and returns the one on record: another attempt may have recorded its own first. */
export async function keepBatch(
  { store, observer }: Dependencies,
  { job, shard, batch }: JobBatchRef,
  found: ApiBatch,
  adopted: boolean,
): Promise<BatchRecord> {
  const { model, lines, packs } = (await readRecord<ShardManifest>(store, shardFiles.manifest(job, shard)))!;
  const { record, first } = await claimRecord<BatchRecord>(store, shardFiles.batch(job, shard, batch), {
    batchId: found.id,
    createdAt: found.createdAt,
    adopted,
    ...(packs === undefined ? {} : { linesPerRequest: lines / packs.length }),
  });
  if (first && observer !== undefined) {
    observer.onBatchCreated({ job, shard, batch, batchId: record.batchId, model, lines, adopted });
  }
  return record;
}
