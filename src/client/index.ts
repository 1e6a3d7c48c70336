export { BatchClient, type BatchClientOptions, type JobSummary } from './batch-client.ts';
export { JobHandle, type JobStatus, type ResultRow } from './job-handle.ts';
export type { StepBytes, StepRetry } from './pending-steps.ts';
export { checkOutputFolder } from './output-folder.ts';
export { prepareJob } from './prepare-job.ts';
