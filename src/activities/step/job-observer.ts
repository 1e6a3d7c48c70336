import type { BatchRefusal, BatchStatus } from '../../core/batch-status.ts';
import type { JobReport } from '../../core/progress.ts';
import type { ShardOutcome } from '../../core/shard-plan.ts';
import type { Amount } from '../../core/token-cost.ts';

/** The place of a batch. */
interface ObservedBatch {
  readonly job: string;
  readonly shard: string;
  /** Which of the shard's batches, from 1. */
  readonly batch: number;
  readonly batchId: string;
}

/**
 * Receives the events of a worker's activities, for logs and metrics. Events hold ids and counts, no prompt text.
 *
 * The attempt that records a result first reports it, so it is reported once however often the activity runs. An attempt
 * that dies between the record and the report reports nothing: for each process that is killed, counts may miss the
 * results of one activity. They are never too high.
 */
export interface JobObserver {
  /** Input lines that ended as failed because of `--skip-bad-lines`. */
  onRejectedLines(event: { readonly job: string; readonly lines: number }): void;
  onUploaded(event: { readonly job: string; readonly shard: string; readonly bytes: number }): void;
  onDownloaded(event: { readonly bytes: number }): void;
  onBatchCreated(
    event: ObservedBatch & {
      readonly model: string;
      readonly lines: number;
      /** True when a search found it: the reply to its POST was not recorded. */
      readonly adopted: boolean;
    },
  ): void;
  /** A poll of all batches in flight of a job; `seconds` does not include the sleep before it. */
  onPolled(event: { readonly job: string; readonly batches: number; readonly seconds: number }): void;
  onBatchEnded(
    event: ObservedBatch & { readonly status: BatchStatus; readonly refusal: BatchRefusal | null },
  ): void;
  /** A duplicate was found: a second batch for the same lines. */
  onDuplicateFound(event: ObservedBatch): void;
  onShardSettled(event: {
    readonly job: string;
    readonly shard: string;
    readonly model: string;
    readonly outcome: ShardOutcome;
    /** The paid tokens, including those of duplicate answers; cached tokens are part of the input. */
    readonly tokens: { readonly input: number; readonly cached: number; readonly output: number };
    readonly amount: Amount;
  }): void;
  onJobEnded(event: { readonly job: string; readonly report: JobReport }): void;
}
