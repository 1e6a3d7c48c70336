/** The public surface for applications. */
export { BatchClient, type BatchClientOptions, type JobSummary } from './client/batch-client.ts';
export {
  ScheduleHandle,
  Schedules,
  type RunStatus,
  type ScheduleChanges,
  type ScheduleOptions,
  type ScheduleStatus,
  type ScheduleTiming,
} from './client/schedules/index.ts';
export { JobHandle, type JobStatus, type ResultRow, type StepRetry } from './client/job-handle.ts';
export { BatchError, ErrorCode, isBatchError, type BatchErrorDetails } from './core/errors.ts';
export type { JobOptions } from './core/job-spec.ts';
export { Overlap, type ScheduleSpec } from './core/schedule-spec.ts';
export { JobState, type JobProgress, type JobReport } from './core/progress.ts';
export type { TemporalTarget } from './temporal/index.ts';
