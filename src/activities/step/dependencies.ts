import type { FileWork } from '../../file-work/file-work.ts';
import type { BatchApi } from '../../openai/batch-api.ts';
import type { Store } from '../../store/store.ts';
import type { JobObserver } from './job-observer.ts';

/** What activities use; made once per worker. */
export interface Dependencies {
  readonly api: BatchApi;
  readonly store: Store;
  readonly files: FileWork;
  /**
   * Scales every wait for an API that shows its changes late (list lag, late files).
   * 1 suits OpenAI; tests against an emulator use less.
   */
  readonly patience: number;
  /** True when workers serve the queues of `stepQueuesOf`. @default false */
  readonly hasStepQueues?: boolean;
  /** Receives the events of activities, for logs and metrics. @default none */
  readonly observer?: JobObserver;
}
