import { ApplicationFailure } from '@temporalio/common';
import { FailureType } from '../core/failure.ts';
import { shardFiles } from '../store/job-files.ts';
import { recordCancel } from '../store/job-pass.ts';
import { readRecord } from '../store/store.ts';
import type { BatchRecord } from './batches/batch-record.ts';
import { searchBatch } from './batches/search-batch.ts';
import type { Dependencies } from './step/dependencies.ts';
import { whileBeating } from './step/heartbeat.ts';
import { readRefusal, type FinalRefusal } from './step/keep-refusal.ts';

/** Shards of a cancelled job that this history of it has not sent. */
export interface BoughtRequest {
  readonly job: string;
  readonly shards: readonly string[];
  /** The job's pass, see `store/job-pass.ts`; absent for the first. */
  readonly pass?: number;
}

/** A shard that has a batch all the same. */
export interface BoughtShard extends BatchRecord {
  readonly shard: string;
  /** The last of its batches. */
  readonly batch: number;
  /** True when its lines have been settled. */
  readonly settled: boolean;
}

/** A shard without a batch that has been settled, since the API refused it for good: its lines may have gone again in halves. */
export interface SettledRefusal {
  readonly shard: string;
  /** The batch that was to be created. */
  readonly batch: number;
  readonly refused: FinalRefusal;
}

/**
 * Finds the batches of shards that a cancelled job would not send: another history of the job (before a reset, before it
 * was terminated) may have bought them, or a POST whose reply was lost. What was paid is kept, and so is the outcome of a shard
 * that was refused: a later round may hold its lines.
 * Safe twice: it reads, adopts what it finds by a claim, and notes that the job is cancelled, which it stays.
 * @throws ApplicationFailure `BatchNotListed` or `OtherApi`, once all shards have been looked for, while one is in doubt
 */
export async function findBought(
  deps: Dependencies,
  { job, shards, pass = 0 }: BoughtRequest,
): Promise<(BoughtShard | SettledRefusal)[]> {
  const { store } = deps;
  return await whileBeating(async (signal) => {
    await recordCancel(store, job, pass);
    const found: (BoughtShard | SettledRefusal)[] = [];
    let doubt: ApplicationFailure | null = null;
    for (const shard of shards) {
      const settled = (await store.size(shardFiles.outcome(job, shard))) !== null;
      let last: BoughtShard | null = null;
      for (let batch = 1; ; batch += 1) {
        const record =
          (await readRecord<BatchRecord>(store, shardFiles.batch(job, shard, batch))) ??
          (await searchWherePossible(deps, { job, shard, batch }, signal));
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
 * The batch, null when there is none, or the failure by which it is looked for again. A server that refuses its list for good
 * can show no batch; what it may have answered cannot be found.
 */
async function searchWherePossible(
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
