/**
 * The public surface for applications.
 * @module
 */
export {
  answerEmbedding,
  answerEmbeddings,
  answerImages,
  answerRefusal,
  answerText,
  BatchClient,
  isAnswerCut,
  JobHandle,
  JobServerStatus,
  ScheduleHandle,
  Schedules,
  toTypedRow,
  type AnswerImage,
  type AnswerIssue,
  type BatchClientOptions,
  type CancelAnswer,
  type ColumnReference,
  type ConnectOptions,
  type ImageAddress,
  type ImageBytes,
  type ImageFormat,
  type InvalidRow,
  type JobFilter,
  type JobStatus,
  type JobSummary,
  type ObjectStream,
  type ReadingOptions,
  type ResultRow,
  type RunStatus,
  type ScheduleChanges,
  type ScheduleOptions,
  type ScheduleStatus,
  type ScheduleTiming,
  type StartOptions,
  type StartSettings,
  type StepBytes,
  type StepRetry,
  type TemplateImages,
  type TemplateOptions,
  type TypedResultsOptions,
  type TypedRow,
  type ValidRow,
  type SaveOptions,
  type TableOptions,
  type WaitOptions,
  type WatchOptions,
} from './client/index.ts';
export { BatchError, ErrorCode, isBatchError, type BatchErrorDetails } from './core/errors.ts';
export type { RoundCost } from './core/cost-sums.ts';
export type { GivenModel, GivenPrices, GivenTier, TokenPrices } from './core/given-prices.ts';
export type { JobOptions } from './core/job-spec.ts';
export type { ListedProgress } from './core/job-listing.ts';
export { Overlap, type ScheduleSpec } from './core/schedule-spec.ts';
export {
  JobState,
  type JobProgress,
  type JobReport,
  type ReportedCost,
  type ShardView,
} from './core/progress.ts';
export type { TemporalConnectionOptions, TemporalTarget } from './temporal/index.ts';
