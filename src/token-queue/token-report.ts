import type { Priority } from '../core/priority.ts';

/** A queue: the enqueued-token limit of one model of one account. */
export interface QueueName {
  /** The name that the jobs have given, or `key-` and a hash of the key and its base URL. */
  readonly account: string;
  /** As the requests name it. */
  readonly model: string;
}

/** A shard that wants tokens. Its key is another one after each refusal: `r1-00001.1.0` is shard, batch and refusals. */
type WantedTokens = readonly [key: string, tokens: number];

/** A shard that has tokens; 1 once the API has accepted its batch, so that the limit is known to be as large as all accepted ones. */
type HeldTokens = readonly [key: string, tokens: number, accepted: 0 | 1];

/** A batch that the API refused for want of tokens, and the limit that its message named; null if it named none. */
export type RefusedTokens = readonly [key: string, limit: number | null];

/**
 * What a job wants and has of a queue: all of it, so that a report replaces the one before, and the queue is right after any loss. It is
 * sent when something has changed.
 */
export interface TokenReport {
  /** The workflow id of the job. */
  readonly job: string;
  /** Its run, and the number of the report in the run: a late copy of an earlier report is ignored. */
  readonly run: string;
  readonly turn: number;
  readonly priority: Priority;
  /** The limit as the user gave it; absent if the job has none. */
  readonly limit?: number;
  /** In the order in which they are to be sent; the first ones. */
  readonly wants: readonly WantedTokens[];
  /** How many more shards want tokens: a report names the first ones. */
  readonly more: number;
  readonly holds: readonly HeldTokens[];
  /** Since the last report. */
  readonly refused: readonly RefusedTokens[];
  /** Estimated and real prompt tokens of the settled batches of the job, by which estimates are corrected. */
  readonly measured: readonly [estimated: number, real: number];
}

/** The reply of a queue to a report. */
export interface TokenReply {
  /** Those of the wanted shards that have tokens now; the others get theirs by a signal. */
  readonly granted: readonly string[];
  /** Those of the wanted shards that the limit never accepts, by our estimate: they are to be halved, if they have several lines. */
  readonly tooLarge: readonly string[];
  /** True while the limit is not known: then the queue waits to be told of each accepted batch. */
  readonly probing: boolean;
}
