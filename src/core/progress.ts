/** Where a job stands: one shape for the query, the command line, logs and the Web UI. */
export interface JobProgress {
  readonly jobId: string;
  readonly state: JobState;
  /** Why the job is paused, or what holds up its cancel; null otherwise. */
  readonly reason: string | null;
  /** What goes on but takes longer than it should, each in a sentence. */
  readonly notices: readonly string[];
  readonly round: number;
  readonly lines: number;
  /** Lines whose end is certain. */
  readonly answered: number;
  readonly failed: number;
  /** Lines that the API says it has run in batches that have not ended; they come on top. */
  readonly running: number;
  readonly shards: {
    readonly total: number;
    readonly waiting: number;
    readonly inFlight: number;
    readonly done: number;
  };
  /** Batches in flight by status. */
  readonly batches: Readonly<Record<string, number>>;
  readonly created: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** When the job's first run began, ISO 8601. */
  readonly startedAt: string;
  /** Lines of this round whose requests are at the API, settled ones included. */
  readonly uploaded: number;
  /** What the settled shards cost at batch prices, in USD; null when a model's price is not known. */
  readonly costUsd: number | null;
  /** The same tokens at list price. */
  readonly costUsdWithoutBatch: number | null;
  /** Shards that are being worked on, at most `SHARDS_SHOWN`, in the order in which they were begun. */
  readonly table: readonly ShardView[];
}

/** Rows of `JobProgress.table`: what one screen shows, and a query's answer can hold. */
export const SHARDS_SHOWN = 50;

/** A shard that is being worked on. */
export interface ShardView {
  readonly id: string;
  /** `waiting`, `uploaded`, a batch's status as the API says it (`created` before the first look), or `fetching`. */
  readonly state: string;
  readonly lines: number;
  /** What the API says its batch has run so far. */
  readonly completed: number;
  readonly failed: number;
  readonly batchId: string | null;
  /** When the batch's id came to be known, ISO 8601. */
  readonly sentAt: string | null;
}

/** What a job is doing. */
export const JobState = {
  Building: 'building',
  Running: 'running',
  Paused: 'paused',
  Cancelling: 'cancelling',
  Assembling: 'assembling',
  Done: 'done',
} as const;
export type JobState = (typeof JobState)[keyof typeof JobState];

/** `report.json`: the job's end in numbers. Its names are a contract with outsiders. */
export interface JobReport {
  readonly job_id: string;
  readonly lines: number;
  readonly answered: number;
  readonly failed: number;
  readonly cancelled: number;
  /** Of the answered lines, those whose answers an earlier run of the schedule had bought; absent where nobody looked. */
  readonly reused?: number;
  readonly rounds: number;
  readonly batches: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  /** At batch prices; null when a model's price is not known. */
  readonly cost_usd: number | null;
  /** The same tokens at list price. */
  readonly cost_usd_without_batch: number | null;
  /** How often lines met which error, retried ones included. */
  readonly errors: Readonly<Record<string, number>>;
  /** What batches cost that were created on top of the job's own; null where there were none. */
  readonly duplicates?: DuplicatesReport | null;
  readonly started_at: string;
  readonly finished_at: string;
}

/** Batches that were created twice, and their answers to lines that had one already: paid, in the sums, and of no use. */
export interface DuplicatesReport {
  readonly batches: number;
  readonly answers: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cost_usd: number | null;
}
