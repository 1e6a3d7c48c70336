import type { JobReport } from '../core/progress.ts';
import type { JobSpec } from '../core/job-spec.ts';
import type { RoundPlan } from '../core/shard-plan.ts';
import type { RetryRound } from '../file-work/pack-retries.ts';
import { assembleResults, type AssembleRequest } from './assemble-results.ts';
import { buildRetryShards } from './build-retry-shards.ts';
import { buildShards, type FirstPlan } from './build-shards.ts';
import { cancelBatch } from './cancel-batch.ts';
import { createBatch, type BatchRecord, type CreateRequest } from './create-batch.ts';
import type { Dependencies } from './dependencies.ts';
import { findBought, type BoughtRequest, type BoughtShard } from './find-bought.ts';
import { fetchResults, type FetchRequest, type ShardCounts } from './fetch-results.ts';
import { pollBatches, type BatchSight, type PollRequest, type WatchedBatch } from './poll-batches.ts';
import { uploadInput, type UploadRequest } from './upload-input.ts';

/** The activities of a job, in the order of its life; each is idempotent and says how where it is written. */
export interface Activities {
  buildShards(spec: JobSpec): Promise<FirstPlan>;
  uploadInput(request: UploadRequest): Promise<string>;
  createBatch(request: CreateRequest): Promise<BatchRecord>;
  pollBatches(request: PollRequest): Promise<BatchSight[]>;
  fetchResults(request: FetchRequest): Promise<ShardCounts>;
  buildRetryShards(round: RetryRound): Promise<RoundPlan>;
  findBought(request: BoughtRequest): Promise<BoughtShard[]>;
  cancelBatch(request: { batchId: string }): Promise<void>;
  assembleResults(request: AssembleRequest): Promise<JobReport>;
}

/** The activities of one worker, ready to be registered. */
export function createActivities(deps: Dependencies): Activities {
  return {
    buildShards: (spec) => buildShards(deps, spec),
    uploadInput: (request) => uploadInput(deps, request),
    createBatch: (request) => createBatch(deps, request),
    pollBatches: (request) => pollBatches(deps, request),
    fetchResults: (request) => fetchResults(deps, request),
    buildRetryShards: (round) => buildRetryShards(deps, round),
    findBought: (request) => findBought(deps, request),
    cancelBatch: (request) => cancelBatch(deps, request),
    assembleResults: (request) => assembleResults(deps, request),
  };
}

export type {
  BatchRecord,
  BatchSight,
  BoughtShard,
  CreateRequest,
  Dependencies,
  FirstPlan,
  PollRequest,
  ShardCounts,
  WatchedBatch,
};
