/** The client: starts jobs, follows them, reads their results. */
export {
  BatchClient,
  type BatchClientOptions,
  type ConnectOptions,
  type JobSummary,
} from './batch-client.ts';
export { JobHandle, type CancelAnswer, type TypedResultsOptions, type WatchOptions } from './job-handle.ts';
export type { SaveOptions, WaitOptions } from './job-results.ts';
export type { TableOptions } from '../output/save-output.ts';
export type { JobStatus } from './job-status.ts';
export {
  answerEmbedding,
  answerEmbeddings,
  answerRefusal,
  answerText,
  isAnswerCut,
} from '../openai/rows/answers.ts';
export {
  answerImages,
  type AnswerImage,
  type ImageAddress,
  type ImageBytes,
  type ImageFormat,
} from '../openai/rows/answer-images.ts';
export type { Priority } from '../core/priority.ts';
export type { QueuedJobView, QueueView } from '../token-queue/queue-view.ts';
export { JobServerStatus, type JobFilter } from './job-filter.ts';
export type { StepBytes, StepRetry } from './pending-steps.ts';
export type { ResultRow } from '../core/result-row.ts';
export { toTypedRow, type AnswerIssue, type InvalidRow, type TypedRow, type ValidRow } from './typed-row.ts';
export { checkOutputFolder } from '../output/check-output.ts';
export { prepareJob } from '../job/prepare-job.ts';
export type { ObjectStream, ReadingOptions } from '../job/row-source-options.ts';
export type { StartOptions, StartSettings } from '../job/start-options.ts';
export { requestTemplateOf, type TemplateOptions } from '../job/template-options.ts';
export type {
  AnswerFormat,
  ColumnReference,
  RequestTemplate,
  TemplateEndpoint,
  TemplateImages,
} from '../render/request-template.ts';
export { prepareChildJob, type ChildJob, type ChildJobOptions } from './prepare-child-job.ts';
export {
  ScheduleHandle,
  Schedules,
  type RunStatus,
  type ScheduleChanges,
  type ScheduleOptions,
  type ScheduleStatus,
  type ScheduleTiming,
} from './schedules/index.ts';
