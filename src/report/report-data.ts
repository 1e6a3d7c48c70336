import type { RoundCost } from '../core/cost-sums.ts';
import type { PaidTwice } from '../core/shard-plan.ts';
import type { Amount } from '../core/token-cost.ts';

/** The data of `report.html` in addition to `report.json`: ids, counts and times, but no text of a line. */
export interface ReportData {
  /** ISO 8601. */
  readonly startedAt: string;
  readonly shards: readonly ReportShard[];
  readonly models: readonly ModelSum[];
  /** By model and round. */
  readonly costs: readonly RoundCost[];
  /** Where the prices are from, with their dates. */
  readonly priceSources: readonly string[];
}

/** One shard; without an amount if an earlier version settled it. */
export interface ReportShard extends Partial<Amount> {
  readonly id: string;
  /** From 1. */
  readonly round: number;
  readonly model: string;
  readonly lines: number;
  readonly answered: number;
  readonly failed: number;
  /** Lines that were sent again in the next round. */
  readonly again: number;
  readonly cancelled: number;
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  /** Where the prices are from; missing if they are not known, or an earlier version settled the shard. */
  readonly priceSource?: string;
  /** Paid rows whose cost cannot be derived from their usage. */
  readonly unpriced?: number;
  /** Failed and retried lines by error code. */
  readonly errors: Readonly<Record<string, number>>;
  /** A few line numbers for each error code; empty if version 0.1 settled the shard. */
  readonly examples: Readonly<Record<string, readonly number[]>>;
  readonly twice: PaidTwice | null;
  /** Several if the API refused the first as a whole; none if the job was cancelled before. */
  readonly batches: readonly ReportBatch[];
  /** The part of the name of its row file that identifies it; undefined if an earlier version settled the shard. */
  readonly rows: string | undefined;
}

/** One batch; times in ms since 1970 by the API's clock, null if the API did not return them or version 0.1 did not record them. */
export interface ReportBatch {
  readonly batchId: string;
  readonly createdAt: number;
  readonly inProgressAt: number | null;
  readonly finalizingAt: number | null;
  readonly endedAt: number | null;
  /** The final status according to the API; null if no end is recorded. */
  readonly status: string | null;
  /** True if it was found by a search after the response to its POST was lost. */
  readonly adopted: boolean;
}

/** Tokens and cost of one model, including answers that were paid twice. */
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
