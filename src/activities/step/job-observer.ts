import type { BatchRefusal, BatchStatus } from '../../core/batch-status.ts';
import type { JobReport } from '../../core/progress.ts';
import type { ShardOutcome } from '../../core/shard-plan.ts';
import type { Price } from '../../core/token-cost.ts';

/** Whose batch it is. */
interface ObservedBatch {
  readonly job: string;
  readonly shard: string;
  /** Which of the shard's batches, from 1. */
  readonly batch: number;
  readonly batchId: string;
}

/**
 * What a worker's activities tell whoever watches them: its logs and metrics. Ids and counts only, no prompt text.
 *
 * What is on record in the store is told by the attempt that put it there first, so that it is told once however often
 * an activity runs. An attempt that dies between the record and the telling tells nothing: counts may fall short of the
 * report by the results of one activity for each process that is killed, and are never above it.
 */
export interface JobObserver {
  /** Input lines that `--skip-bad-lines` has ended as failed. */
  onRejectedLines(event: { readonly job: string; readonly lines: number }): void;
  onUploaded(event: { readonly job: string; readonly shard: string; readonly bytes: number }): void;
  onDownloaded(event: { readonly bytes: number }): void;
  onBatchCreated(
    event: ObservedBatch & {
      readonly model: string;
      readonly lines: number;
      /** True when a search found it: its POST's reply never reached a record. */
      readonly adopted: boolean;
    },
  ): void;
  /** A look at all batches in flight of a job, without the sleep before it. */
  onPolled(event: { readonly job: string; readonly batches: number; readonly seconds: number }): void;
  onBatchEnded(
    event: ObservedBatch & { readonly status: BatchStatus; readonly refusal: BatchRefusal | null },
  ): void;
  /** A batch was found that was created on top of another one. */
  onDuplicateFound(event: ObservedBatch): void;
  onShardSettled(event: {
    readonly job: string;
    readonly shard: string;
    readonly model: string;
    readonly outcome: ShardOutcome;
    /** What was paid, also for answers that came twice; cached tokens are part of the input. */
    readonly tokens: { readonly input: number; readonly cached: number; readonly output: number };
    /** Null where it is not known. */
    readonly price: Price | null;
  }): void;
  onJobEnded(event: { readonly job: string; readonly report: JobReport }): void;
}
