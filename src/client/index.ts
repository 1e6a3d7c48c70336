export { BatchClient, type BatchClientOptions, type JobSummary } from './batch-client.ts';
export { JobHandle, type JobStatus, type ResultRow, type StepRetry } from './job-handle.ts';
export { checkOutputFolder } from '../store/output-folder.ts';
export { prepareJob } from '../store/prepare-job.ts';
export {
  ScheduleHandle,
  Schedules,
  type RunStatus,
  type ScheduleChanges,
  type ScheduleOptions,
  type ScheduleStatus,
  type ScheduleTiming,
} from './schedules/index.ts';
