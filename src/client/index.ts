export { BatchClient, type BatchClientOptions, type JobSummary } from './batch-client.ts';
export { JobHandle, type JobStatus, type ResultRow, type StepRetry } from './job-handle.ts';
export { checkOutputFolder } from './output-folder.ts';
export { prepareJob } from './prepare-job.ts';
