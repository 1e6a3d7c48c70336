/** Where a job stands: one shape for the query, the command line, logs and the Web UI. */
export interface JobProgress {
  /** The job's id. */
  readonly jobId: string;
  /** What the job is doing. */
  readonly state: JobState;
  /** Why the job is paused, or what holds up its cancel; null otherwise. */
  readonly reason: string | null;
  /** What goes on but takes longer than it should, each in a sentence. */
  readonly notices: readonly string[];
  /** The pass over the lines without an answer, from 1. */
  readonly round: number;
  /** Lines of the input, refused ones included; 0 until the shards are built. */
  readonly lines: number;
  /** Lines whose end is certain. */
  readonly answered: number;
  /** Lines that ended without an answer. */
  readonly failed: number;
  /** Lines that the API says it has run in batches that have not ended; they come on top. */
  readonly running: number;
  /** Shards of this round. */
  readonly shards: {
    readonly total: number;
    readonly waiting: number;
    readonly inFlight: number;
    readonly done: number;
  };
  /** Batches in flight by status. */
  readonly batches: Readonly<Record<string, number>>;
  /** Batches created so far, in all rounds. */
  readonly created: number;
  /** Tokens of the requests of settled shards. */
  readonly inputTokens: number;
  /** Tokens of their answers. */
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
  /** Shards that are settled, at most `SETTLED_SHOWN`, the latest first; workers of version 0.1 send none. */
  readonly settled?: readonly SettledShard[];
}

/** Rows of `JobProgress.table`: what one screen shows, and a query's answer can hold. */
export const SHARDS_SHOWN = 50;

/** What the API says it has run in batches that have not ended, as a beat of the step that polls them tells it. */
export interface RunningCounts {
  /** Lines in all of them. */
  readonly ran: number;
  /** The first `SHARDS_SHOWN` of them, by shard. */
  readonly shards: Readonly<Record<string, readonly [completed: number, failed: number]>>;
}

/** Entries of `JobProgress.settled`: they are carried from run to run. */
export const SETTLED_SHOWN = 10;

/** A shard whose lines have ended or go again. */
export interface SettledShard {
  readonly id: string;
  readonly lines: number;
  readonly answered: number;
  readonly failed: number;
  /** Lines that go again in the next round. */
  readonly again: number;
  readonly batchId: string;
  /** When the batch's id came to be known and when its results were settled, ISO 8601. */
  readonly sentAt: string | null;
  readonly settledAt: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** At batch prices; null when the model's price is not known. */
  readonly costUsd: number | null;
}

/** A shard that is being worked on. */
export interface ShardView {
  /** Round and number, e.g. `r1-3`. */
  readonly id: string;
  /** `waiting`, `uploaded`, a batch's status as the API says it (`created` before the first look), or `fetching`. */
  readonly state: string;
  /** Lines in it. */
  readonly lines: number;
  /** What the API says its batch has run so far. */
  readonly completed: number;
  /** What the API says has failed in its batch so far. */
  readonly failed: number;
  /** The batch it was sent in; null before. */
  readonly batchId: string | null;
  /** When the batch's id came to be known, ISO 8601. */
  readonly sentAt: string | null;
}

/** What a job is doing, or how it has ended. */
export const JobState = {
  /** The input is read and cut into shards. */
  Building: 'building',
  /** Shards are sent, awaited and fetched. */
  Running: 'running',
  /** Nothing new is sent, because a user asked for it or the API refuses the account. */
  Paused: 'paused',
  /** Batches in flight are cancelled and awaited. */
  Cancelling: 'cancelling',
  /** The rows of all shards are merged into the results. */
  Assembling: 'assembling',
  /** Ended: lines were answered, or the input holds none. */
  Done: 'done',
  /** Ended by a cancel that left lines without an answer. */
  Cancelled: 'cancelled',
  /** Ended: every line failed. */
  Failed: 'failed',
} as const;
export type JobState = (typeof JobState)[keyof typeof JobState];

/** True for the states of a job that has ended with results. */
export function isEndState(state: JobState): boolean {
  return state === JobState.Done || state === JobState.Cancelled || state === JobState.Failed;
}

/** How a job has ended, by the numbers of its lines. */
export function endStateOf({
  lines,
  answered,
  failed,
  cancelled,
}: Pick<JobReport, 'lines' | 'answered' | 'failed' | 'cancelled'>): JobState {
  if (cancelled > 0) return JobState.Cancelled;
  return lines > 0 && answered === 0 && failed === lines ? JobState.Failed : JobState.Done;
}

/** The command line's exit code for a job that has ended: 1 where lines were cancelled, else 3 where some failed. */
export function exitCodeOfEnd({ failed, cancelled }: Pick<JobReport, 'failed' | 'cancelled'>): 0 | 1 | 3 {
  if (cancelled > 0) return 1;
  return failed > 0 ? 3 : 0;
}

/** `report.json`: the job's end in numbers. Its names are a contract with outsiders. */
export interface JobReport {
  /** The job's id. */
  readonly job_id: string;
  /** Lines of the input that are not blank; answered + failed + cancelled. */
  readonly lines: number;
  /** Lines with an answer. */
  readonly answered: number;
  /** Lines that ended without one; each row says why. */
  readonly failed: number;
  /** Of the failed lines, those whose paid answer the API lost: only `--rebuy` buys them again. Absent from reports of earlier versions. */
  readonly unavailable?: number;
  /** Lines that a cancelled job did not send, or whose answer did not come. */
  readonly cancelled: number;
  /** Of the answered lines, those whose answers an earlier job of the series had bought; absent where nobody looked. */
  readonly reused?: number;
  /** Passes over the lines without an answer. */
  readonly rounds: number;
  /** Batches that were created. */
  readonly batches: number;
  /** Tokens of the requests that were paid. */
  readonly input_tokens: number;
  /** Tokens of their answers. */
  readonly output_tokens: number;
  /** At batch prices; null when a model's price is not known. */
  readonly cost_usd: number | null;
  /** The same tokens at list price. */
  readonly cost_usd_without_batch: number | null;
  /** How often lines met which error, retried ones included. */
  readonly errors: Readonly<Record<string, number>>;
  /** The first lines that failed, at most `FAILED_SHOWN`; absent where none did, and from reports of earlier versions. */
  readonly first_failed?: readonly FailedLine[];
  /** What batches cost that were created on top of the job's own; null where there were none. */
  readonly duplicates?: DuplicatesReport | null;
  /** What a reader should know about the cost, a sentence each; absent where there is nothing. */
  readonly notes?: readonly string[];
  /** ISO 8601. */
  readonly started_at: string;
  /** ISO 8601. */
  readonly finished_at: string;
}

/** Lines of `JobReport.first_failed`. */
export const FAILED_SHOWN = 5;

/** A line that failed. Its `custom_id`, which may be anybody's name, stands in its row: reports and histories hold none. */
export interface FailedLine {
  /** Its number in the input. */
  readonly line: number;
  /** The code of the error in its row; `other` for one that is no short word. */
  readonly code: string;
}

/** Batches that were created twice, and their answers to lines that had one already: paid, in the sums, and of no use. */
export interface DuplicatesReport {
  readonly batches: number;
  readonly answers: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cost_usd: number | null;
}

/** True when lines have no answer that another pass may ask for; lines whose paid answer the API lost are bought again only by `rebuy`. */
export function mayRetry({ failed, cancelled, unavailable = 0 }: JobReport): boolean {
  return failed + cancelled > unavailable;
}
