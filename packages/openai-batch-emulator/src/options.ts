import type { FaultRule } from './faults/fault-rule.ts';

/**
 * The options of the emulator. All are optional, and plain JSON so that a command line can pass them.
 */
export interface EmulatorOptions {
  /** The port to listen on; 0 chooses a free port. @default 0 */
  port?: number | undefined;
  /** A loopback address; other addresses are refused, because there is no real authentication. @default '127.0.0.1' */
  host?: string | undefined;
  /**
   * The folder for bytes and state. A restart with the same folder continues from the state, even after a `kill -9`.
   * Without a folder, a temporary one is used and removed on close. @default undefined
   */
  dataDir?: string | undefined;
  /**
   * How many times faster than the real API batches run: divides the 24 h window, the durations of `lifecycle`, and the
   * hour of `batchesPerHour`. Files and uploads keep real time, because bytes are sent in real time. @default 1
   */
  speed?: number | undefined;
  /** How long a batch stays in each status. @default { mode: 'instant' } */
  lifecycle?: LifecycleOptions | undefined;
  /** The completion window in seconds, before `speed` divides it. @default 86400 */
  windowSeconds?: number | undefined;
  /** How far the emulator's clock is ahead of this machine's; negative: behind. @default 0 */
  clockOffsetSeconds?: number | undefined;
  /** Decides all random choices: the order of results, and the lines to which a fault applies. @default 1 */
  seed?: number | undefined;
  /** The only key that is accepted. Without it any bearer token is, but there must be one. @default undefined */
  apiKey?: string | undefined;
  /** The largest file that `POST /v1/files` accepts. @default 536870912 (512 MB) */
  maxFileBytes?: number | undefined;
  /** The largest part of an upload. @default 67108864 (64 MB) */
  maxPartBytes?: number | undefined;
  /** The largest input file of a batch. @default 209715200 (200 MiB) */
  maxBatchBytes?: number | undefined;
  /** The maximum number of requests in a batch. @default 50000 */
  maxBatchLines?: number | undefined;
  /** The maximum number of inputs of an embeddings batch, summed over its lines. @default 50000 */
  maxEmbeddingInputs?: number | undefined;
  /**
   * The maximum number of prompt tokens in batches that have not ended, by model; the key `*` is for the other models. A
   * batch beyond it fails with `token_limit_exceeded`. @default {} (none)
   */
  enqueuedTokenLimit?: Record<string, number> | undefined;
  /** The maximum number of batches created in an hour; further creations return 429. @default 2000 */
  batchesPerHour?: number | undefined;
  /** Models that validation refuses as `model_not_found`. @default [] */
  unsupportedModels?: string[] | undefined;
  /**
   * The only models: validation refuses others as `model_not_found`, and `/v1/models` lists these.
   * @default undefined (any name is a model)
   */
  models?: string[] | undefined;
  /**
   * The maximum number of tokens of prompt and answer together, by model; the key `*` is for the other models. Longer
   * requests are refused with `context_length_exceeded`. @default {} (the known limits of OpenAI's models)
   */
  contextTokens?: Record<string, number> | undefined;
  /**
   * `one`: all keys see the same files and batches. `per-key`: each key has an account of its own, with its own files,
   * batches and ledger. @default 'one'
   */
  accounts?: 'one' | 'per-key' | undefined;
  /** With `per-key`: the keys that share an account, by the name of the account. @default {} */
  projects?: Record<string, string[]> | undefined;
  /** The maximum number of entries in `errors.data` of a failed batch. @default 100 */
  maxReportedErrors?: number | undefined;
  /** The id of an absent output or error file: `null`, or the empty string that users have reported. @default 'null' */
  absentFileId?: 'null' | 'empty' | undefined;
  /** The URL that receives the events of ended batches; needs `webhookSecret`. @default undefined (no events) */
  webhookUrl?: string | undefined;
  /** The secret that signs the events: `whsec_` and base64, or any text. @default undefined */
  webhookSecret?: string | undefined;
  /** Fault rules that apply from the start. @default [] */
  faults?: FaultRule[] | undefined;
}

export interface LifecycleOptions {
  /** `instant` runs a batch without waiting; `timed` uses the durations below. @default 'instant' */
  mode?: 'instant' | 'timed' | undefined;
  /** @default 3000 */
  validatingMs?: number | undefined;
  /** The part of the time in `in_progress` that does not depend on the number of lines. @default 60000 */
  inProgressMs?: number | undefined;
  /** The time in `in_progress` that each line adds. @default 20 */
  perLineMs?: number | undefined;
  /** @default 2000 */
  finalizingMs?: number | undefined;
  /** @default 5000 */
  cancellingMs?: number | undefined;
}

type Defined<T> = { [K in keyof T]-?: Exclude<T[K], undefined> };

/** The options with their defaults. */
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
