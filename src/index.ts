/** The public surface for applications. */
export { BatchClient, type BatchClientOptions, type JobSummary } from './client/batch-client.ts';
export { JobHandle, type JobStatus, type ResultRow } from './client/job-handle.ts';
export type { StepBytes, StepRetry } from './client/pending-steps.ts';
export { BatchError, ErrorCode, isBatchError, type BatchErrorDetails } from './core/errors.ts';
export type { JobOptions } from './core/job-spec.ts';
export { JobState, type JobProgress, type JobReport } from './core/progress.ts';
export type { TemporalTarget } from './temporal/index.ts';
