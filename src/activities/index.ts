import { log } from '@temporalio/activity';
import { neverThrows } from '../core/never-throws.ts';
import type { JobReport } from '../core/progress.ts';
import type { JobSpec } from '../core/job-spec.ts';
import type { RoundPlan, ShardTokens } from '../core/shard-plan.ts';
import type { RebuyRound } from '../file-work/shards/pack-rebuys.ts';
import type { RoundShards } from '../file-work/shards/estimate-tokens.ts';
import type { RetryRound } from '../file-work/shards/pack-retries.ts';
import { BatchApi } from '../openai/batch-api.ts';
import type { OpenAI } from '../openai/client.ts';
import { assembleResults, type AssembleRequest } from './assemble-results.ts';
import { awaitReport, type AwaitRequest } from './await-report.ts';
import type { BatchReading, WatchedBatch } from './batches/batch-reading.ts';
import type { BatchRecord } from './batches/batch-record.ts';
import type { ShardCounts } from './batches/shard-counts.ts';
import { buildPass, type BegunPass, type PassRequest } from './build-pass.ts';
import { buildRebuyShards } from './build-rebuy-shards.ts';
import { buildRetryShards } from './build-retry-shards.ts';
import { buildShards, type FirstPlan } from './build-shards.ts';
import { cancelBatch, type CancelRequest } from './cancel-batch.ts';
import { checkAccount } from './check-account.ts';
import { createBatch, type CreateRequest } from './create-batch.ts';
import type { Dependencies } from './step/dependencies.ts';
import { estimateTokens } from './estimate-tokens.ts';
import { findBought, type BoughtRequest, type BoughtShard, type SettledRefusal } from './find-bought.ts';
import type { JobObserver } from './step/job-observer.ts';
import { fetchResults, type FetchRequest } from './fetch-results.ts';
import { pollBatches, type PollRequest } from './poll-batches.ts';
import { prepareScheduledJob, type PreparedRun, type RunRequest } from './prepare-scheduled-job.ts';
import { settleRefusedShard, type RefusedRequest } from './settle-refused-shard.ts';
import { recordingRefusal, type FinalRefusal } from './step/keep-refusal.ts';
import { withJobApi, withJobStore, withSpecStore } from './step/right-worker.ts';
import { reportTokens, type TokenReportRequest } from './report-tokens.ts';
import { saveResults, type SaveRequest } from './save-results.ts';
import { withSafeFailures } from './step/safe-failure.ts';
import { sweepTokenQueue, type SweepRequest } from './sweep-token-queue.ts';
import type { Sweep } from '../token-queue/token-ledger.ts';
import type { QueueName, TokenReply } from '../token-queue/token-report.ts';
import { uploadInput, type UploadRequest } from './upload-input.ts';
import type { WatchReply } from './batches/watch-reply.ts';
import { watchBatches, type WatchRequest } from './watch-batches.ts';

/** The activities of a job, in the order in which it runs them; each is idempotent, and its comment says why. */
export interface Activities {
  buildShards(spec: JobSpec): Promise<FirstPlan>;
  uploadInput(request: UploadRequest): Promise<string>;
  createBatch(request: CreateRequest): Promise<BatchRecord>;
  watchBatches(request: WatchRequest): Promise<WatchReply>;
  /** For jobs that began under version 0.2 or before. */
  pollBatches(request: PollRequest): Promise<BatchReading[]>;
  fetchResults(request: FetchRequest): Promise<ShardCounts>;
  settleRefusedShard(request: RefusedRequest): Promise<ShardCounts>;
  buildRetryShards(round: RetryRound): Promise<RoundPlan>;
  buildRebuyShards(round: RebuyRound): Promise<RoundPlan>;
  buildPass(request: PassRequest): Promise<BegunPass>;
  findBought(request: BoughtRequest): Promise<(BoughtShard | SettledRefusal)[]>;
  cancelBatch(request: CancelRequest): Promise<void>;
  checkAccount(): Promise<void>;
  assembleResults(request: AssembleRequest): Promise<JobReport>;
}

/** The activities of token queues, and of jobs that use one; each is idempotent, and its comment says why. */
export interface QueueActivities {
  estimateTokens(round: RoundShards): Promise<ShardTokens[]>;
  reportTokens(request: TokenReportRequest): Promise<TokenReply & Pick<QueueName, 'account'>>;
  sweepTokenQueue(request: SweepRequest): Promise<Sweep>;
}

/** The activities of a schedule's runs, before and after those of its job; each is idempotent, and its comment says why. */
export interface ScheduleActivities {
  prepareScheduledJob(request: RunRequest): Promise<PreparedRun>;
  awaitReport(request: AwaitRequest): Promise<JobReport | null>;
  saveResults(request: SaveRequest): Promise<void>;
}

/** The dependencies of the activities of a worker. */
export interface ActivityParts extends Omit<Dependencies, 'api'> {
  /** A client of the SDK. Its retries are turned off: only Temporal retries. */
  readonly api: OpenAI;
}

/** The activities of one worker, ready to be registered. */
export function createActivities(given: ActivityParts): Activities & QueueActivities & ScheduleActivities {
  const api = new BatchApi(given.api, given.patience);
  const deps = withSafeObserver({ ...given, api });
  const { store } = deps;
  return {
    buildShards: (spec) => withSpecStore(deps, spec, () => buildShards(deps, spec)),
    uploadInput: (request) =>
      withJobApi(deps, request.job, () => recordingRefusal(store, request, () => uploadInput(deps, request))),
    createBatch: (request) =>
      withJobApi(deps, request.job, () => recordingRefusal(store, request, () => createBatch(deps, request))),
    watchBatches: (request) => withJobApi(deps, request.job, () => watchBatches(deps, request)),
    pollBatches: (request) => withJobApi(deps, request.job, () => pollBatches(deps, request)),
    fetchResults: (request) => withJobApi(deps, request.job, () => fetchResults(deps, request)),
    settleRefusedShard: (request) => withJobStore(deps, request.job, () => settleRefusedShard(deps, request)),
    buildRetryShards: (round) => withJobStore(deps, round.job, () => buildRetryShards(deps, round)),
    buildPass: (request) => withJobStore(deps, request.job, () => buildPass(deps, request)),
    buildRebuyShards: (round) => withJobStore(deps, round.job, () => buildRebuyShards(deps, round)),
    findBought: (request) => withJobApi(deps, request.job, () => findBought(deps, request)),
    cancelBatch: (request) =>
      request.job === undefined
        ? withSafeFailures(() => cancelBatch(deps, request))
        : withJobApi(deps, request.job, () => cancelBatch(deps, request)),
    checkAccount: () => withSafeFailures(() => checkAccount(deps)),
    assembleResults: (request) => withJobStore(deps, request.job, () => assembleResults(deps, request)),
    estimateTokens: (round) => withJobStore(deps, round.job, () => estimateTokens(deps, round)),
    reportTokens: (request) => withSafeFailures(() => reportTokens(deps, request)),
    sweepTokenQueue: (request) => withSafeFailures(() => sweepTokenQueue(deps, request)),
    prepareScheduledJob: (request) => prepareScheduledJob(deps, request),
    awaitReport: (request) => withSafeFailures(() => awaitReport(deps, request)),
    saveResults: (request) => withSafeFailures(() => saveResults(deps, request)),
  };
}

/** An error of the observer is logged; it never fails a step. */
function withSafeObserver(deps: Dependencies): Dependencies {
  if (deps.observer === undefined) return deps;
  const observer = neverThrows(deps.observer, (event, error) =>
    log.warn('An event was not reported.', { event, reason: (error as Error).name }),
  );
  return { ...deps, observer };
}

export type {
  ActivityParts as Dependencies,
  BatchRecord,
  BatchReading,
  BoughtShard,
  CreateRequest,
  FetchRequest,
  FinalRefusal,
  FirstPlan,
  JobObserver,
  PollRequest,
  PreparedRun,
  SettledRefusal,
  ShardCounts,
  WatchedBatch,
  WatchReply,
  WatchRequest,
};
