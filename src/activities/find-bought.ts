import { ApplicationFailure } from '@temporalio/common';
import { FailureType } from '../core/failure.ts';
import { shardFiles } from '../store/job-files.ts';
import { recordCancel } from '../store/job-pass.ts';
import { readRecord } from '../store/store.ts';
import type { BatchRecord } from './batches/batch-record.ts';
import { searchBatch } from './batches/search-batch.ts';
import type { Dependencies } from './step/dependencies.ts';
import { withHeartbeat } from './step/heartbeat.ts';
import { readRefusal, type FinalRefusal } from './step/keep-refusal.ts';

/** Shards of a cancelled job that this run of its workflow has not sent. */
export interface BoughtRequest {
  readonly job: string;
  readonly shards: readonly string[];
  /** The job's pass, see `store/job-pass.ts`; absent for the first. */
  readonly pass?: number;
}

/** A shard that has a batch nevertheless. */
export interface BoughtShard extends BatchRecord {
  readonly shard: string;
  /** The number of its last batch. */
  readonly batch: number;
  /** True if its lines are settled. */
  readonly settled: boolean;
}

/** A shard without a batch that is settled because the API refused it for good: its lines may have been sent again in halves. */
export interface SettledRefusal {
  readonly shard: string;
  /** The batch that was to be created. */
  readonly batch: number;
  readonly refused: FinalRefusal;
}

/**
 * Finds the batches of shards that a cancelled job would not send. An earlier run of the job (before a reset or a termination), or
 * a POST whose reply was lost, may have created them. Paid answers are kept, and so is the outcome of a refused shard, because
 * a later round may hold its lines.
 * Safe twice: it reads, adopts batches by a claim, and records the cancel of the job, which is final.
 * @throws ApplicationFailure `BatchNotListed` or `OtherApi` after the search for all shards, while a batch is in doubt
 */
export async function findBought(
  deps: Dependencies,
  { job, shards, pass = 0 }: BoughtRequest,
): Promise<(BoughtShard | SettledRefusal)[]> {
  const { store } = deps;
  return await withHeartbeat(async (signal) => {
    await recordCancel(store, job, pass);
    const found: (BoughtShard | SettledRefusal)[] = [];
    let doubt: ApplicationFailure | null = null;
    for (const shard of shards) {
      const settled = (await store.size(shardFiles.outcome(job, shard))) !== null;
      let last: BoughtShard | null = null;
      for (let batch = 1; ; batch += 1) {
        const record =
          (await readRecord<BatchRecord>(store, shardFiles.batch(job, shard, batch))) ??
          (await searchIfPossible(deps, { job, shard, batch }, signal));
        if (record instanceof ApplicationFailure) doubt = record;
        if (record === null || record instanceof ApplicationFailure) break;
        last = { ...record, shard, batch, settled };
      }
      const refused = settled && last === null ? await readRefusal(store, job, shard) : null;
      if (last !== null) found.push(last);
      if (refused !== null) found.push({ shard, batch: 1, refused });
    }
    if (doubt !== null) throw doubt;
    return found;
  });
}

/**
 * Returns the batch, null if there is none, or the failure after which the search is retried. A server that refuses its list for
 * good can show no batch, and its answers cannot be found.
 */
async function searchIfPossible(
  deps: Dependencies,
  request: { job: string; shard: string; batch: number },
  signal: AbortSignal,
): Promise<BatchRecord | ApplicationFailure | null> {
  try {
    return (await searchBatch(deps, request, signal)).found;
  } catch (error) {
    if (!(error instanceof ApplicationFailure)) throw error;
    if (error.type === FailureType.RequestRefused) return null;
    if (error.type === FailureType.BatchNotListed || error.type === FailureType.OtherApi) return error;
    throw error;
  }
}
