export { batchJob } from './batch-job.ts';
export { scheduledJob } from './scheduled-job.ts';
export { tokenQueue } from './token-queue.ts';
