import type { Priority } from '../core/priority.ts';

/** The limit of a queue. */
export interface TokenLimit {
  readonly tokens: number;
  /**
   * `given` by a user, `stated` in the message of a refusal, or `learned`: as many tokens as were enqueued when another batch was refused, or
   * more since.
   */
  readonly source: 'given' | 'stated' | 'learned';
  /** When it was given, stated or learned, in ms. */
  readonly at: number;
  /** When it was last tried to exceed, or confirmed by a refusal. */
  readonly probedAt: number;
}

/** A shard that waits for tokens. */
export interface WaitingShard {
  readonly key: string;
  readonly tokens: number;
  /** Its place in the order of asking. */
  readonly order: number;
  /** How often smaller shards went first, because it did not fit. */
  passed: number;
}

/** A shard that has tokens. */
export interface GrantedShard {
  readonly tokens: number;
  accepted: boolean;
}

/** A job that uses a queue. */
export interface QueuedJob {
  run: string;
  turn: number;
  priority: Priority;
  waiting: WaitingShard[];
  /** How many more shards wait, which it has not named. */
  more: number;
  /** By key. */
  granted: Record<string, GrantedShard>;
  measured: readonly [estimated: number, real: number];
}

/** Batches of the account that no job of the queue has reported. */
export interface OtherBatches {
  /** Their prompt tokens, estimated from their files, by batch id; 0 for another model. */
  readonly tokens: Readonly<Record<string, number>>;
}

/** Tokens that a queue has granted to a shard of a job. */
export interface Grant {
  readonly job: string;
  readonly key: string;
}

/** Everything that a queue knows: plain data, which it hands from run to run. */
export interface QueueState {
  limit: TokenLimit | null;
  /** The limit that a user gave last: it counts until a refusal states a smaller one. */
  given: number | null;
  /** When the account's batches were last read, in ms; 0 if never. */
  sweptAt: number;
  jobs: Record<string, QueuedJob>;
  others: OtherBatches;
  /** Grants of which their jobs have not been told. */
  untold: Grant[];
  /** The next place in the order of asking. */
  order: number;
  /** No tokens are granted before, in ms: the API refuses what should fit. */
  pausedUntil: number;
  /** Such refusals since a batch was last accepted; decides the next pause. */
  unexplained: number;
  /** Granted shards by minute since 1970, of the last hour: each creates a batch. */
  created: Record<string, number>;
  /** Estimated and real tokens of the last job that has left and knew any. */
  measured: readonly [estimated: number, real: number];
}

/** The state of a new queue. */
export function newQueueState(): QueueState {
  return {
    limit: null,
    given: null,
    sweptAt: 0,
    jobs: {},
    others: { tokens: {} },
    untold: [],
    order: 0,
    pausedUntil: 0,
    unexplained: 0,
    created: {},
    measured: [0, 0],
  };
}
