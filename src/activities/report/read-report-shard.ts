import type { ShardManifest, ShardOutcome } from '../../core/shard-plan.ts';
import type { ReportBatch, ReportShard } from '../../report/report-data.ts';
import { shardFiles } from '../../store/job-files.ts';
import { readRecord, type Store } from '../../store/store.ts';
import type { BatchRecord } from '../batches/batch-record.ts';
import type { EndedRecord } from '../batches/ended-record.ts';

/** Reads a settled shard from its records, for the report. */
export async function readReportShard(store: Store, job: string, shard: string): Promise<ReportShard> {
  const outcome = (await readRecord<ShardOutcome>(store, shardFiles.outcome(job, shard)))!;
  const manifest = (await readRecord<ShardManifest>(store, shardFiles.manifest(job, shard)))!;
  const {
    answered,
    failed,
    inputTokens,
    cachedTokens,
    outputTokens,
    cost,
    batchCost,
    priceSource,
    unpriced,
    errors,
    examples,
    twice,
    rows,
  } = outcome;
  const again = outcome.again.length;
  const batches = await readBatches(store, job, shard);
  return {
    id: shard,
    round: Number(shard.slice(1, shard.indexOf('-'))),
    model: manifest.model,
    lines: manifest.lines,
    answered,
    failed,
    again,
    cancelled: manifest.lines - answered - failed - again,
    inputTokens,
    cachedTokens,
    outputTokens,
    ...(cost === undefined ? {} : { cost }),
    ...(batchCost === undefined ? {} : { batchCost }),
    ...(priceSource === undefined ? {} : { priceSource }),
    ...(unpriced === undefined ? {} : { unpriced }),
    errors: batches.length === 0 ? withoutCancelled(errors) : errors,
    examples: examples ?? {},
    twice: twice ?? null,
    batches,
    rows,
  };
}

/** Outcomes of version 0.1 count the cancelled lines of a shard that was never sent as errors. */
function withoutCancelled(errors: ReportShard['errors']): ReportShard['errors'] {
  return Object.fromEntries(Object.entries(errors).filter(([code]) => code !== 'cancelled'));
}

async function readBatches(store: Store, job: string, shard: string): Promise<ReportBatch[]> {
  const batches: ReportBatch[] = [];
  for (let n = 1; ; n += 1) {
    const batch = await readRecord<BatchRecord>(store, shardFiles.batch(job, shard, n));
    if (batch === null) return batches;
    const ended = await readRecord<EndedRecord>(store, shardFiles.ended(job, shard, n));
    batches.push({
      batchId: batch.batchId,
      createdAt: batch.createdAt * 1_000,
      inProgressAt: toMs(ended?.times?.inProgressAt),
      finalizingAt: toMs(ended?.times?.finalizingAt),
      endedAt: toMs(ended?.times?.endedAt),
      status: ended?.status ?? null,
      adopted: batch.adopted,
    });
  }
}

function toMs(seconds: number | null | undefined): number | null {
  return seconds == null ? null : seconds * 1_000;
}
