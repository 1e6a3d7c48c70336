import type { BatchEndpoint } from './answers/batch-endpoint.ts';
import type { BatchErrorItem, BatchFault } from './faults/batch-fault.ts';

export const BatchStatus = {
  validating: 'validating',
  failed: 'failed',
  inProgress: 'in_progress',
  finalizing: 'finalizing',
  completed: 'completed',
  expired: 'expired',
  cancelling: 'cancelling',
  cancelled: 'cancelled',
} as const;
export type BatchStatus = (typeof BatchStatus)[keyof typeof BatchStatus];

/** A batch in the journal: all that a restarted emulator needs to continue it. */
export interface BatchRecord {
  id: string;
  /** The number of the batch in its account, from 1; with the seed it decides all random choices for the batch. */
  sequence: number;
  endpoint: BatchEndpoint;
  inputFileId: string;
  metadata: Record<string, string> | null;
  outputExpiresAfterSeconds: number | null;
  status: BatchStatus;
  createdAtMs: number;
  /** When the window closes; the fault `never_expires` keeps this value but ignores it. */
  expiresAtMs: number;
  /** When each status was entered. */
  enteredAtMs: Partial<Record<BatchStatus, number>>;
  errors: BatchErrorItem[] | null;
  /** Set once validation has read the file. */
  validated: ValidatedInput | null;
  /** The progress of the execution that a client reads. */
  progress: BatchProgress;
  /** The progress up to which everything is on disk; a restart continues from it. */
  checkpoint: BatchProgress;
  /** Chosen at creation and shown at the end, so that results are written under this name from the start. */
  outputFileId: string;
  errorFileId: string;
  hasOutput: boolean;
  hasErrors: boolean;
  faults: BatchFault[];
  /** The object that the last single read returned, for the fault `moves_when_read`. */
  lastRead?: object;
}

export interface ValidatedInput {
  model: string;
  lines: number;
  promptTokens: number;
}

/** A point of the execution, with the sizes of the files at it: bytes that a killed process wrote after it are cut off. */
export interface BatchProgress {
  /** Lines executed, in the order of execution. */
  position: number;
  completed: number;
  failed: number;
  inputTokens: number;
  outputTokens: number;
  /** The prompt tokens read from the prompt cache, and those written to it; absent in older journals. */
  cachedTokens?: number;
  cacheWriteTokens?: number;
  outputBytes: number;
  errorBytes: number;
  logBytes: number;
}

export const NO_PROGRESS: BatchProgress = {
  position: 0,
  completed: 0,
  failed: 0,
  inputTokens: 0,
  outputTokens: 0,
  outputBytes: 0,
  errorBytes: 0,
  logBytes: 0,
};

export function isTerminal(status: BatchStatus): boolean {
  switch (status) {
    case BatchStatus.failed:
    case BatchStatus.completed:
    case BatchStatus.expired:
    case BatchStatus.cancelled:
      return true;
    case BatchStatus.validating:
    case BatchStatus.inProgress:
    case BatchStatus.finalizing:
    case BatchStatus.cancelling:
      return false;
    default:
      return status satisfies never;
  }
}

/** Returns the batch's fault of this kind. */
export function batchFault<K extends BatchFault['kind']>(
  record: BatchRecord,
  kind: K,
): Extract<BatchFault, { kind: K }> | undefined {
  return record.faults.find((fault): fault is Extract<BatchFault, { kind: K }> => fault.kind === kind);
}

/** When the batch ended, or undefined while it runs. */
export function endedAtMs(record: BatchRecord): number | undefined {
  return isTerminal(record.status) ? record.enteredAtMs[record.status] : undefined;
}
