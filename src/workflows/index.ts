export { batchJob } from './batch-job.ts';
