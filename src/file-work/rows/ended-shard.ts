import type { BatchErrorEntry, BatchStatus } from '../../core/batch-status.ts';
import type { ModelRates } from '../../core/token-cost.ts';

/** What is known of a shard's ended batch. */
export interface EndedShard {
  readonly job: string;
  readonly shard: string;
  /** Which of the shard's batches ended. */
  readonly batch: number;
  readonly batchId: string;
  readonly status: BatchStatus;
  readonly hasOutput: boolean;
  readonly hasErrors: boolean;
  /** A failed batch's reasons. */
  readonly refused: readonly BatchErrorEntry[];
  /**
   * How lines without a row end: `ask` decides nothing and returns `MissingRows`, so that the caller can ask the API
   * again; see `activities/fetch-results.ts`.
   */
  readonly missing: 'ask' | 'retry' | 'unavailable' | 'cancelled';
  readonly attempts: number;
  /** The model's list prices; null when they are not known, absent where nobody looked. */
  readonly rates?: ModelRates | null;
  /** Batches created on top of this one whose output is in the store: what they answered counts where this one has no answer. */
  readonly duplicates?: readonly string[];
  /** True when one of them has answered lines and its output cannot be read: each line without an answer may be paid. */
  readonly lostDuplicate?: boolean;
}

/** What is known of a shard of which lines have no row in any file. */
export interface MissingRows {
  /** Lines without a row. */
  readonly missing: number;
  /** True when the file was there and held at least one row of a line of this shard. */
  readonly outputRead: boolean;
  readonly errorsRead: boolean;
}
