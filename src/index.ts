/** The public surface for applications. */
export { BatchClient, type BatchClientOptions, type JobSummary } from './client/batch-client.ts';
export { JobHandle, type JobStatus, type ResultRow, type StepRetry } from './client/job-handle.ts';
export { BatchError, ErrorCode, isBatchError, type BatchErrorDetails } from './core/errors.ts';
export type { JobOptions } from './core/job-spec.ts';
export type { ListedProgress } from './core/job-listing.ts';
export { JobState, type JobProgress, type JobReport } from './core/progress.ts';
export type { TemporalTarget } from './temporal/index.ts';
