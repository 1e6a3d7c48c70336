import type { FileWork } from '../../file-work/file-work.ts';
import type { BatchApi } from '../../openai/batch-api.ts';
import type { Store } from '../../store/store.ts';
import type { JobObserver } from './job-observer.ts';

/** What activities work with; made once per worker. */
export interface Dependencies {
  readonly api: BatchApi;
  readonly store: Store;
  readonly files: FileWork;
  /**
   * Scales every wait that exists because the API is slow to show what it has done (list lag, late files).
   * 1 suits OpenAI; tests against an emulator use less.
   */
  readonly patience: number;
  /** True when workers serve the queues of `stepQueuesOf`. @default false */
  readonly hasStepQueues?: boolean;
  /** Is told what happens, for logs and metrics. @default nobody */
  readonly observer?: JobObserver;
}
