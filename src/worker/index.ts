export { hostActivities, type ActivityHost, type ActivityHostOptions } from './activity-host.ts';
export { installRuntime, installRuntimeWithMetrics, type WorkerLogLevel } from './install-runtime.ts';
export {
  jobWorkflowBundle,
  startWorker,
  SHUTDOWN_FORCE_MS,
  SHUTDOWN_GRACE_MS,
  stepWorkers,
  workerTuning,
  type JobWorker,
  type JobWorkerOptions,
  type StepWorker,
} from './create-worker.ts';
export { createJobMetrics, type JobMetrics } from './job-metrics.ts';
export { checkApi } from '../openai/check-api.ts';
export { createApi } from '../openai/client.ts';
