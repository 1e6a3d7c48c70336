export {
  installRuntime,
  startWorker,
  SHUTDOWN_FORCE_MS,
  SHUTDOWN_GRACE_MS,
  type JobWorker,
  type JobWorkerOptions,
} from './create-worker.ts';
export { checkApi, createApi } from './openai-api.ts';
