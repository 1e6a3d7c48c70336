import { ApplicationFailure } from '@temporalio/common';
import { FailureType } from '../core/failure.ts';
import { shardFiles, jobFiles } from '../store/job-files.ts';
import { claimRecord, readRecord } from '../store/store.ts';
import type { BatchRecord } from './batch-record.ts';
import { searchBatch } from './create-batch.ts';
import type { Dependencies } from './dependencies.ts';
import { whileBeating } from './heartbeat.ts';

/** Shards of a cancelled job that this history of it has not sent. */
export interface BoughtRequest {
  readonly job: string;
  readonly shards: readonly string[];
}

/** A shard that has a batch all the same. */
export interface BoughtShard extends BatchRecord {
  readonly shard: string;
  /** The last of its batches. */
  readonly batch: number;
  /** True when its lines have been settled. */
  readonly settled: boolean;
}

/**
 * Finds the batches of shards that a cancelled job would not send: another history of the job (before a reset, before it
 * was terminated) may have bought them, or a POST whose reply was lost. What was paid is kept.
 * Safe twice: it reads, adopts what it finds by a claim, and notes that the job is cancelled, which it stays.
 */
export async function findBought(deps: Dependencies, { job, shards }: BoughtRequest): Promise<BoughtShard[]> {
  const { store } = deps;
  return await whileBeating(async (signal) => {
    await claimRecord(store, jobFiles.cancelled(job), { at: Date.now() });
    const bought: BoughtShard[] = [];
    for (const shard of shards) {
      let last: BoughtShard | null = null;
      for (let batch = 1; ; batch += 1) {
        const record =
          (await readRecord<BatchRecord>(store, shardFiles.batch(job, shard, batch))) ??
          (await searchWherePossible(deps, { job, shard, batch }, signal));
        if (record === null) break;
        const settled = (await store.size(shardFiles.outcome(job, shard))) !== null;
        last = { ...record, shard, batch, settled };
      }
      if (last !== null) bought.push(last);
    }
    return bought;
  });
}

/** A server that refuses its list for good can show no batch; what it may have answered cannot be found. */
async function searchWherePossible(
  deps: Dependencies,
  request: { job: string; shard: string; batch: number },
  signal: AbortSignal,
): Promise<BatchRecord | null> {
  try {
    return (await searchBatch(deps, request, signal)).found;
  } catch (error) {
    if (error instanceof ApplicationFailure && error.type === FailureType.RequestRefused) return null;
    throw error;
  }
}
