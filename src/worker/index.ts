export { hostActivities, type ActivityHost, type ActivityHostOptions } from './activity-host.ts';
export {
  installRuntime,
  jobWorkflowBundle,
  startWorker,
  SHUTDOWN_FORCE_MS,
  SHUTDOWN_GRACE_MS,
  workerTuning,
  type JobWorker,
  type JobWorkerOptions,
} from './create-worker.ts';
export { checkApi, createApi } from './openai-api.ts';
