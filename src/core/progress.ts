import type { RoundCost } from './cost-sums.ts';

/** A job's progress: one shape for the query, the command line, logs and the Web UI. */
export interface JobProgress {
  /** The job's id. */
  readonly jobId: string;
  /** What the job is doing. */
  readonly state: JobState;
  /** Why the job is paused, or what delays its cancel; null otherwise. */
  readonly reason: string | null;
  /** Steps that take longer than they should, each in a sentence. */
  readonly notices: readonly string[];
  /** The pass over the lines without an answer, from 1. */
  readonly round: number;
  /** Lines of the input, refused ones included; 0 until the shards are built. */
  readonly lines: number;
  /** Lines with an answer. */
  readonly answered: number;
  /** Lines that ended without an answer. */
  readonly failed: number;
  /** Lines that the API reports as run in batches that have not ended; not included in the counts above. */
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
  /** The cost of the settled shards at batch prices, in USD; null if a model's price is unknown. */
  readonly costUsd: number | null;
  /** The same tokens at list price. */
  readonly costUsdWithoutBatch: number | null;
  /** The same by model and round; absent from workers of earlier versions. */
  readonly costs?: readonly RoundCost[];
  /** Active shards, at most `SHARDS_SHOWN`, in the order of their start. */
  readonly table: readonly ShardView[];
  /** Settled shards, at most `SETTLED_SHOWN`, the latest first; workers of version 0.1 send none. */
  readonly settled?: readonly SettledShard[];
}

/** Maximum rows of `JobProgress.table`: they fit on a screen, and into the result of a query. */
export const SHARDS_SHOWN = 50;

/** Lines that the API reports as run in batches that have not ended: the heartbeat details of the polling activity. */
export interface RunningCounts {
  /** Lines in all of them. */
  readonly ran: number;
  /** The first `SHARDS_SHOWN` of them, by shard. */
  readonly shards: Readonly<Record<string, readonly [completed: number, failed: number]>>;
}

/** Maximum entries of `JobProgress.settled`: continue-as-new carries them from run to run. */
export const SETTLED_SHOWN = 10;

/** A shard whose lines have ended or are sent again. */
export interface SettledShard {
  readonly id: string;
  readonly lines: number;
  readonly answered: number;
  readonly failed: number;
  /** Lines that are sent again in the next round. */
  readonly again: number;
  readonly batchId: string;
  /** When the job learned the batch's id and when its results were settled, ISO 8601. */
  readonly sentAt: string | null;
  readonly settledAt: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** At batch prices; null if the model's price is unknown. */
  readonly costUsd: number | null;
}

/** An active shard. */
export interface ShardView {
  /** Round and number, e.g. `r1-3`. */
  readonly id: string;
  /** `waiting`, `uploaded`, the API's status of the batch (`created` before the first poll), or `fetching`. */
  readonly state: string;
  /** Lines in it. */
  readonly lines: number;
  /** Completed lines of its batch, as the API reports them. */
  readonly completed: number;
  /** Failed lines of its batch, as the API reports them. */
  readonly failed: number;
  /** The batch it was sent in; null before. */
  readonly batchId: string | null;
  /** When the job learned the batch's id, ISO 8601. */
  readonly sentAt: string | null;
}

/** What a job is doing, or how it has ended. */
export const JobState = {
  /** The input is read and cut into shards. */
  Building: 'building',
  /** Shards are sent, awaited and fetched. */
  Running: 'running',
  /** Nothing new is sent: a user paused the job, or the API refuses the account. */
  Paused: 'paused',
  /** Batches in flight are cancelled and awaited. */
  Cancelling: 'cancelling',
  /** The rows of all shards are merged into the results. */
  Assembling: 'assembling',
  /** Ended: lines were answered, or the input has none. */
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

/** The end state of a job, from the numbers of its lines. */
export function endStateOf({
  lines,
  answered,
  failed,
  cancelled,
}: Pick<JobReport, 'lines' | 'answered' | 'failed' | 'cancelled'>): JobState {
  if (cancelled > 0) return JobState.Cancelled;
  return lines > 0 && answered === 0 && failed === lines ? JobState.Failed : JobState.Done;
}

/** The command line's exit code for a job that has ended: 1 if lines were cancelled, else 3 if some failed. */
export function exitCodeOfEnd({ failed, cancelled }: Pick<JobReport, 'failed' | 'cancelled'>): 0 | 1 | 3 {
  if (cancelled > 0) return 1;
  return failed > 0 ? 3 : 0;
}

/** `report.json`: the result of a job in numbers. Its keys are a public contract. */
export interface JobReport {
  /** The job's id. */
  readonly job_id: string;
  /** Lines of the input that are not blank; answered + failed + cancelled. */
  readonly lines: number;
  /** Lines with an answer. */
  readonly answered: number;
  /** Lines that ended without one; each row has the reason. */
  readonly failed: number;
  /** Failed lines whose paid answer the API lost: only `--rebuy` buys them again. Absent from reports of earlier versions. */
  readonly unavailable?: number;
  /** Lines that a cancelled job did not send, or that got no answer. */
  readonly cancelled: number;
  /** Answered lines whose answers an earlier job of the series had bought; absent for a job without a series. */
  readonly reused?: number;
  /** Passes over the lines without an answer. */
  readonly rounds: number;
  /** Batches created. */
  readonly batches: number;
  /** Tokens of the paid requests. */
  readonly input_tokens: number;
  /** Tokens of their answers. */
  readonly output_tokens: number;
  /** At batch prices; null if a model's price is unknown. */
  readonly cost_usd: number | null;
  /** The same tokens at list price. */
  readonly cost_usd_without_batch: number | null;
  /** The same by model and round; absent from reports of earlier versions. */
  readonly costs?: readonly ReportedCost[];
  /** Where the prices are from, with their dates; absent if none is known, and from reports of earlier versions. */
  readonly price_sources?: readonly string[];
  /** Counts of lines by error code, retried ones included. */
  readonly errors: Readonly<Record<string, number>>;
  /** The first lines that failed, at most `FAILED_SHOWN`; absent if none failed, and from reports of earlier versions. */
  readonly first_failed?: readonly FailedLine[];
  /** The cost of duplicate batches; null if there were none. */
  readonly duplicates?: DuplicatesReport | null;
  /** Remarks on the cost, a sentence each; absent if there are none. */
  readonly notes?: readonly string[];
  /** ISO 8601. */
  readonly started_at: string;
  /** ISO 8601. */
  readonly finished_at: string;
}

/** The tokens and the cost of one model in one round; see `RoundCost`. */
export interface ReportedCost {
  /** Null for the sum of all that have no entry of their own. */
  readonly model: string | null;
  /** From 1; null with `model`. */
  readonly round: number | null;
  /** Tokens of the paid requests. */
  readonly input_tokens: number;
  /** Part of `input_tokens`. */
  readonly cached_tokens: number;
  /** Tokens of their answers. */
  readonly output_tokens: number;
  /** At batch prices; null if it is not known. */
  readonly cost_usd: number | null;
  /** The same tokens at list price. */
  readonly cost_usd_without_batch: number | null;
}

/** The costs of a report, as progress has them. */
export function costsOfReport({ costs }: JobReport): RoundCost[] | undefined {
  return costs?.map(({ model, round, ...sum }) => ({
    model,
    round,
    inputTokens: sum.input_tokens,
    cachedTokens: sum.cached_tokens,
    outputTokens: sum.output_tokens,
    costUsd: sum.cost_usd,
    costUsdWithoutBatch: sum.cost_usd_without_batch,
  }));
}

/** The costs of progress, as a report has them. */
export function toReportedCost({ model, round, ...sum }: RoundCost): ReportedCost {
  return {
    model,
    round,
    input_tokens: sum.inputTokens,
    cached_tokens: sum.cachedTokens,
    output_tokens: sum.outputTokens,
    cost_usd: sum.costUsd,
    cost_usd_without_batch: sum.costUsdWithoutBatch,
  };
}

/** Maximum lines of `JobReport.first_failed`. */
export const FAILED_SHOWN = 5;

/** A line that failed. Its `custom_id` is only in its row: it may be a person's name, and reports and histories contain none. */
export interface FailedLine {
  /** Its number in the input. */
  readonly line: number;
  /** The code of the error in its row; `other` for a code that is not a short identifier. */
  readonly code: string;
}

/** Batches that were created twice, and their answers to lines that already had one: paid, included in the sums, and not used. */
export interface DuplicatesReport {
  readonly batches: number;
  readonly answers: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cost_usd: number | null;
}

/** True if another pass may send lines without an answer again; only `rebuy` sends lines again whose paid answer the API lost. */
export function mayRetry({ failed, cancelled, unavailable = 0 }: JobReport): boolean {
  return failed + cancelled > unavailable;
}
