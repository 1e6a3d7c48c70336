import { ActivityFailure, ApplicationFailure } from '@temporalio/workflow';
import type { ShardCounts } from '../activities/index.ts';
import { FailureType } from '../core/failure.ts';
import { accountRefusal } from './account-refusal.ts';
import { createBatch, fetchResults, uploadInput } from './activity-proxies.ts';
import type { BatchWatch } from './batch-watch.ts';

/**
 * A shard from record to outcome. The record is all there is to know; each step is skipped when its result
 * is in the record, so that a run resumes where the last one stopped.
 *
 * | state     | entered when            | does                                        | leaves when              |
 * |-----------|-------------------------|---------------------------------------------|--------------------------|
 * | waiting   | a place is free         | uploads the requests                        | the file's id is known   |
 * | uploaded  | `fileId` is set         | creates the batch, at most once             | the batch's id is known  |
 * | in flight | `batchId` is set        | waits in the job's one poll loop            | the batch is terminal    |
 * | ended     | `ended` is set          | downloads both files, settles every line    | the outcome is known     |
 *
 * A batch that was refused as a whole sends the shard back: to `uploaded` for want of allowance or money,
 * to `waiting` when the API has lost the file.
 */
export interface ShardRecord {
  readonly id: string;
  readonly lines: number;
  /** Counts uploads and batches of this shard, from 1. */
  upload: number;
  batch: number;
  fileId?: string;
  batchId?: string;
  createdAt?: number;
  ended?: boolean;
  /** How often a batch of this shard was refused in a row; decides the next wait. */
  refusals: number;
}

/** What a shard needs of its job. */
export interface ShardContext {
  readonly job: string;
  readonly attempts: number;
  readonly rebuy: boolean;
  readonly giveUpAfterMs: number | null;
  readonly watch: BatchWatch;
  /** True once no new step may begin: the run is about to continue as new. */
  isParking(): boolean;
  /** True once nothing new may be bought. */
  isCancelled(): boolean;
  /** Resolves when the job is not paused, or is parking or cancelled. */
  untilRunning(): Promise<void>;
  /** Resolves when the job is not paused, or is parking. */
  untilResumed(): Promise<void>;
  /** Pauses the job and says why. */
  pause(reason: string): void;
  /** Waits before a refused batch is created again; ends early when the job parks or is cancelled. */
  backOff(refusals: number): Promise<void>;
  onCreated(): void;
}

/** How a shard left this run. */
export type ShardEnd = { readonly counts: ShardCounts } | 'parked' | 'not sent';

/** A file is uploaded again when this many batches in a row could not find it. */
const UPLOAD_AGAIN_AFTER = 2;

/** Takes a shard as far as this run may. */
export async function runShard(shard: ShardRecord, job: ShardContext): Promise<ShardEnd> {
  for (;;) {
    if (shard.batchId === undefined) {
      await job.untilRunning();
      if (job.isCancelled()) return 'not sent';
      if (job.isParking()) return 'parked';
      const created = await pausingOnRefusal(job, () => sendShard(shard, job));
      if (created !== 'done') continue;
    }
    if (shard.ended !== true) {
      const end = await job.watch.untilEnded(
        { shard: shard.id, batch: shard.batch, batchId: shard.batchId! },
        job.giveUpAfterMs === null ? Number.POSITIVE_INFINITY : shard.createdAt! * 1_000 + job.giveUpAfterMs,
      );
      if (end === 'parked') return 'parked';
      if (end.refusal !== null) {
        await sendBack(shard, end.refusal, job);
        continue;
      }
      shard.ended = true;
    }
    if (job.isParking()) return 'parked';
    const fetched = await pausingOnRefusal(job, async () => {
      const { attempts, rebuy } = job;
      return await fetchResults({ job: job.job, shard: shard.id, batch: shard.batch, attempts, rebuy });
    });
    if (typeof fetched === 'object') return { counts: fetched };
    await job.untilResumed(); // also when cancelled: what was paid is still to be fetched, with a key that works
    if (job.isParking()) return 'parked';
  }
}

async function sendShard(shard: ShardRecord, job: ShardContext): Promise<'done' | 'later'> {
  shard.fileId ??= await uploadInput({ job: job.job, shard: shard.id, upload: shard.upload });
  // A cancel or a pause that came during the upload stops the shard before money is spent.
  if (job.isCancelled() || job.isParking()) return 'later';
  const { batchId, createdAt } = await createBatch({
    job: job.job,
    shard: shard.id,
    batch: shard.batch,
    fileId: shard.fileId,
  });
  shard.batchId = batchId;
  shard.createdAt = createdAt;
  job.onCreated();
  return 'done';
}

/** Runs a step; a refusal of the key or the account pauses the job instead of failing it. */
async function pausingOnRefusal<T>(job: ShardContext, step: () => Promise<T>): Promise<T | 'refused'> {
  try {
    return await step();
  } catch (error) {
    const failure = error instanceof ActivityFailure ? error.cause : error;
    if (!(failure instanceof ApplicationFailure)) throw error;
    const refusal = accountRefusal(error);
    if (refusal !== null) {
      job.pause(refusal);
      return 'refused';
    }
    if (failure.type === FailureType.AllowanceExhausted) {
      await job.backOff(1);
      return 'refused';
    }
    throw error;
  }
}

async function sendBack(
  shard: ShardRecord,
  refusal: 'token_limit' | 'file_not_found' | 'billing',
  job: ShardContext,
): Promise<void> {
  shard.refusals += 1;
  shard.batch += 1; // the refused batch stays on record; the next one has a key of its own
  delete shard.batchId;
  delete shard.createdAt;
  switch (refusal) {
    case 'billing':
      job.pause('the API refused the account: billing limit reached');
      return;
    case 'file_not_found':
      if (shard.refusals >= UPLOAD_AGAIN_AFTER) {
        shard.upload += 1;
        delete shard.fileId;
      }
      await job.backOff(shard.refusals);
      return;
    case 'token_limit':
      await job.backOff(shard.refusals);
      return;
    default:
      refusal satisfies never;
  }
}
