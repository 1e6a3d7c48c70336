import type { PaidTwice } from '../core/shard-plan.ts';
import type { Cost } from '../core/token-cost.ts';

/** What `report.html` tells of a job besides the numbers of `report.json`: ids, counts and times, no text of a line. */
export interface JobStory {
  /** ISO 8601. */
  readonly startedAt: string;
  readonly shards: readonly ShardStory[];
  readonly models: readonly ModelSum[];
}

/** How one shard went. */
export interface ShardStory {
  readonly id: string;
  /** From 1. */
  readonly round: number;
  readonly model: string;
  readonly lines: number;
  readonly answered: number;
  readonly failed: number;
  /** Lines that went again in the next round. */
  readonly again: number;
  readonly cancelled: number;
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  /** What they cost; absent where an earlier version settled the shard. */
  readonly cost?: Cost;
  /** Paid rows whose usage does not say what they cost. */
  readonly unpriced?: number;
  /** Failed and retried lines by error code. */
  readonly errors: Readonly<Record<string, number>>;
  /** Numbers of lines that met an error, a few of each code; none in shards that a worker of version 0.1 settled. */
  readonly examples: Readonly<Record<string, readonly number[]>>;
  readonly twice: PaidTwice | null;
  /** More than one where the API refused the first as a whole; none where a cancel came before. */
  readonly batches: readonly BatchStory[];
  /** The word in the name of the file that holds its rows; none where an earlier version settled the shard. */
  readonly rows: string | undefined;
}

/** One batch; times in ms since 1970 by the API's clock, null where it did not tell or a worker of version 0.1 did not keep them. */
export interface BatchStory {
  readonly batchId: string;
  readonly createdAt: number;
  readonly inProgressAt: number | null;
  readonly finalizingAt: number | null;
  readonly endedAt: number | null;
  /** The API's word for its end; null where no end is on record. */
  readonly status: string | null;
  /** True when it was found by a search, after the reply to its POST had been lost. */
  readonly adopted: boolean;
}

/** What one model has used, answers that were paid twice included. */
export interface ModelSum {
  readonly model: string;
  readonly lines: number;
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  /** At batch prices, in USD; null when the model's price is not known. */
  readonly batchUsd: number | null;
  /** At list price. */
  readonly listUsd: number | null;
}
