import type { AnswerLimits } from '../../core/job-spec.ts';
import type { BatchErrorEntry, BatchStatus } from '../../core/batch-status.ts';
import type { ModelRates } from '../../core/token-cost.ts';

/** The check of the answers of a job, with the schema of its template. */
export interface AnswerCheck extends AnswerLimits {
  readonly schema: Readonly<Record<string, unknown>>;
}

/** A shard whose batch has ended. */
export interface EndedShard {
  readonly job: string;
  readonly shard: string;
  /** Number of the ended batch among the shard's batches. */
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
  /** True when the job was cancelled: nothing is requested again, so a wrong answer is the last one of its line. */
  readonly cancelled?: boolean;
  /** How its answers are checked; absent for a job without a schema of answers. */
  readonly answer?: AnswerCheck;
  /** The model's prices; null when they are unknown, absent when they were not looked up. */
  readonly rates?: ModelRates | null;
  /** Duplicates of this batch whose output is in the store: their answers count for lines that this batch did not answer. */
  readonly duplicates?: readonly string[];
  /** True when a duplicate has answered lines and its output cannot be read: each line without an answer may be paid. */
  readonly lostDuplicate?: boolean;
}

/** A shard with lines that have no row in any file. */
export interface MissingRows {
  /** Lines without a row. */
  readonly missing: number;
  /** True when the file exists and contains at least one row of a line of this shard. */
  readonly outputRead: boolean;
  readonly errorsRead: boolean;
}
