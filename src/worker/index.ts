export { installRuntime, installRuntimeWithMetrics, type WorkerLogLevel } from './install-runtime.ts';
export {
  startWorker,
  SHUTDOWN_FORCE_MS,
  SHUTDOWN_GRACE_MS,
  type JobWorker,
  type JobWorkerOptions,
} from './create-worker.ts';
export { createJobMetrics, type JobMetrics } from './job-metrics.ts';
export { checkApi, createApi } from './openai-api.ts';
