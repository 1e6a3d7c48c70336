import type { FaultRule } from './faults/fault-rule.ts';

/**
 * How the emulator behaves. Everything is plain JSON, so that a command line can pass it on; everything is optional.
 */
export interface EmulatorOptions {
  /** The port to listen on; 0 takes a free one. @default 0 */
  port?: number | undefined;
  /** A loopback address; anything else is refused, because there is no real authentication. @default '127.0.0.1' */
  host?: string | undefined;
  /**
   * The folder for bytes and state. With the same folder a restart, even after a kill -9, goes on where it was.
   * Without one, a temporary folder is used and removed on close. @default undefined
   */
  dataDir?: string | undefined;
  /**
   * How many times faster than the real API batches live: divides the 24 h window, the durations of `lifecycle`, and
   * the hour of `batchesPerHour`. Files and uploads keep real time, since bytes travel in real time. @default 1
   */
  speed?: number | undefined;
  /** How long a batch stays in each status. @default { mode: 'instant' } */
  lifecycle?: LifecycleOptions | undefined;
  /** The completion window in seconds, before `speed` divides it. @default 86400 */
  windowSeconds?: number | undefined;
  /** How far the account's clock is ahead of this machine's; negative: behind. @default 0 */
  clockOffsetSeconds?: number | undefined;
  /** Decides every draw: the order of results, which lines a fault strikes. @default 1 */
  seed?: number | undefined;
  /** The only key let in. Without it any bearer token is, but there must be one. @default undefined */
  apiKey?: string | undefined;
  /** The largest file `POST /v1/files` takes. @default 536870912 (512 MB) */
  maxFileBytes?: number | undefined;
  /** The largest part of an upload. @default 67108864 (64 MB) */
  maxPartBytes?: number | undefined;
  /** The largest input file of a batch. @default 209715200 (200 MiB) */
  maxBatchBytes?: number | undefined;
  /** The most requests in a batch. @default 50000 */
  maxBatchLines?: number | undefined;
  /** The most inputs of an embeddings batch, summed over its lines. @default 50000 */
  maxEmbeddingInputs?: number | undefined;
  /**
   * The most prompt tokens in batches that have not ended, per model; the key `*` speaks for models not named. Exceeding
   * it fails a batch with `token_limit_exceeded`. @default {} (none)
   */
  enqueuedTokenLimit?: Record<string, number> | undefined;
  /** The most batches created in an hour; more are answered 429. @default 2000 */
  batchesPerHour?: number | undefined;
  /** Models that validation refuses as `model_not_found`. @default [] */
  unsupportedModels?: string[] | undefined;
  /**
   * The only models there are: validation refuses others as `model_not_found`, and `/v1/models` shows these.
   * @default undefined (any name is a model)
   */
  models?: string[] | undefined;
  /**
   * The most tokens of prompt and answer together, per model; the key `*` speaks for models not named. Longer requests are
   * refused with `context_length_exceeded`. @default {} (what is known of OpenAI's models)
   */
  contextTokens?: Record<string, number> | undefined;
  /**
   * `one`: every key sees the same files and batches. `per-key`: each key has an account of its own, with its own files,
   * batches and ledger, and does not see the others'. @default 'one'
   */
  accounts?: 'one' | 'per-key' | undefined;
  /** With `per-key`: keys that share an account, by the account's name. @default {} */
  projects?: Record<string, string[]> | undefined;
  /** The most entries in a failed batch's `errors.data`. @default 100 */
  maxReportedErrors?: number | undefined;
  /** What an absent output or error file is called: `null`, or the empty string the real API has been seen to send. @default 'null' */
  absentFileId?: 'null' | 'empty' | undefined;
  /** Where events of ended batches are sent; needs `webhookSecret`. @default undefined (nowhere) */
  webhookUrl?: string | undefined;
  /** Signs them: `whsec_` and base64, or any text. @default undefined */
  webhookSecret?: string | undefined;
  /** Faults in force from the start. @default [] */
  faults?: FaultRule[] | undefined;
}

export interface LifecycleOptions {
  /** `instant` does the work at once and waits for nothing; `timed` keeps to the durations. @default 'instant' */
  mode?: 'instant' | 'timed' | undefined;
  /** @default 3000 */
  validatingMs?: number | undefined;
  /** The part of in_progress that does not depend on size. @default 60000 */
  inProgressMs?: number | undefined;
  /** The part of in_progress each line adds. @default 20 */
  perLineMs?: number | undefined;
  /** @default 2000 */
  finalizingMs?: number | undefined;
  /** @default 5000 */
  cancellingMs?: number | undefined;
}

type Defined<T> = { [K in keyof T]-?: Exclude<T[K], undefined> };

/** Options with every default filled in. */
export type ResolvedEmulatorOptions = Omit<
  Defined<EmulatorOptions>,
  'dataDir' | 'apiKey' | 'models' | 'webhookUrl' | 'webhookSecret' | 'lifecycle'
> & {
  dataDir: string | undefined;
  models: string[] | undefined;
  apiKey: string | undefined;
  webhookUrl: string | undefined;
  webhookSecret: string | undefined;
  lifecycle: Defined<LifecycleOptions>;
};
