import { badFlag } from './bad-option.ts';
import { isPriority, priorities, type Priority } from './priority.ts';
import type { GivenPrices } from './given-prices.ts';
import { isEndpoint, endpoints, type Endpoint, MAX_BATCH_BYTES, MAX_BATCH_LINES } from './limits.ts';

/** The options of a job of ready requests. Every field but `input` is optional. */
export interface JobOptions {
  /** Path of a `.jsonl` file of requests; the worker must be able to read it until the shards are built. */
  input: string;
  /**
   * Id of the job, 1 to 120 characters of `A-Z a-z 0-9 . _ -`.
   * @default the input's name and a hash of its content and the options; a job with the same content and options is re-joined, whatever the name of its input
   */
  jobId?: string;
  /** Model of the lines whose body names none. @default none: such a line is bad input */
  model?: string;
  /** Endpoint of the lines that have no `url`. @default derived from the body: `messages`, `input` or `prompt` */
  endpoint?: string;
  /** Lines of one batch, 1 to 50,000. A smaller value gives more batches and earlier first answers. @default 50000 */
  shardLines?: number;
  /** Bytes of one batch's input file, 1,000 to 190,000,000. @default 190000000 */
  shardBytes?: number;
  /** Attempts of a line before it ends `failed`, 1 to 20. @default 3 */
  attempts?: number;
  /**
   * Answers of a line before it ends `failed`, 1 to 20, in a job with `answer`: an answer that does not fit the schema, a refusal or
   * an answer that was cut at the token limit is requested again. Independent of `attempts`. @default 2
   */
  answerAttempts?: number;
  /** Tell the model what was wrong with its last answer when it is requested again, in a job with `answer`. @default false */
  tellErrors?: boolean;
  /** First and smallest interval between two polls, in seconds, 0.05 to 3,600. @default 2 */
  pollSeconds?: number;
  /** Concurrent batches in flight, 1 to 1,000. @default 100 */
  inFlight?: number;
  /** End a bad input line as a `failed` row instead of refusing the whole input. @default false */
  skipBadLines?: boolean;
  /** Buy lines again whose paid answer the API lost. @default false: they end `answer_unavailable` */
  rebuy?: boolean;
  /**
   * The name of a series of jobs, 1 to 80 characters of `A-Z a-z 0-9 . _ -`. Only lines are sent that no earlier job of the series
   * has answered; the results include the kept answers of the others. The runs of a schedule are a series with the schedule's name.
   * @default none: every line is sent
   */
  onlyNew?: string;
  /**
   * Use the answer that any earlier job of the store has for the same endpoint, model and body, and send only the other lines. Jobs that are
   * running are not waited for: what they have fetched until then is used. @default false
   */
  reuse?: boolean;
  /** Cancel a batch that has not ended this many hours after its creation, 1 to 10,000. @default never */
  giveUpAfterHours?: number;
  /**
   * The account that pays, 1 to 100 characters: a search attribute of jobs at the server, not part of a job's identity.
   * @default `DURABLE_BATCH_ACCOUNT`, or none
   */
  account?: string;
  /**
   * Share the account's enqueued tokens with other jobs, and be granted them before or after those of another priority: `high`, `normal` or
   * `low`. @default `normal` with `tokenLimits`; without both, the job finds the limit alone
   */
  priority?: Priority;
  /**
   * The account's limits of enqueued prompt tokens by model, as its page shows them; `*` for all other models. With it the job shares the
   * tokens with other jobs. @default `DURABLE_BATCH_TOKEN_LIMITS`, or learned from the API's refusals
   */
  tokenLimits?: Readonly<Record<string, number>>;
  /** Prices of models instead of the published ones, kept with the job; not part of a job's identity. @default the published prices */
  prices?: GivenPrices;
}

/** Every option of a job, as code spells it. */
export const jobOptionNames: readonly string[] = Object.keys({
  input: true,
  jobId: true,
  model: true,
  endpoint: true,
  shardLines: true,
  shardBytes: true,
  attempts: true,
  answerAttempts: true,
  tellErrors: true,
  pollSeconds: true,
  inFlight: true,
  skipBadLines: true,
  rebuy: true,
  onlyNew: true,
  reuse: true,
  giveUpAfterHours: true,
  account: true,
  priority: true,
  tokenLimits: true,
  prices: true,
} satisfies Readonly<Record<keyof JobOptions, true>>);

/** A job, complete and checked: the workflow's input, as plain data. `v` increases when its meaning changes. */
export interface JobSpec {
  readonly v: 1;
  readonly jobId: string;
  readonly input: InputFingerprint;
  readonly model: string | null;
  readonly endpoint: Endpoint | null;
  readonly shardLines: number;
  readonly shardBytes: number;
  readonly attempts: number;
  readonly pollMs: number;
  readonly inFlight: number;
  readonly skipBadLines: boolean;
  readonly rebuy: boolean;
  readonly giveUpAfterMs: number | null;
  /** The series of jobs, by its name or its schedule's, whose answers are reused: only lines that none of them has answered are sent. */
  readonly onlyNew?: { readonly schedule: string };
  /** True when answers of all earlier jobs of the store are used. */
  readonly reuse?: true;
  /** The template that turns the rows of the input into requests; without it, the input is ready request lines. */
  readonly template?: TemplateReference;
  /** How answers are checked; only with a template that has an `answer`. */
  readonly answer?: AnswerLimits;
  /** The store of the job: workers with another store refuse its steps. Specs of version 0.2 and before have none. */
  readonly store?: { readonly id: string; readonly path: string };
  /** A hash of the base URL of its batches, if the process that started it has set one (`store/job-api.ts`). */
  readonly api?: string;
  /** How the job shares the account's enqueued tokens with others; without it, it finds their limit alone, by refusals. */
  readonly tokenQueue?: TokenQueueOptions;
  /** Prices that the user gave. Not part of its identity: they change nothing that is sent. */
  readonly prices?: GivenPrices;
  /** The values of its search attributes at the server; specs of version 0.1 have none. */
  readonly labels?: JobLabels;
}

/** The request template of a job, whose text is in the store (`inputFiles.template`) and never in a history. */
export interface TemplateReference {
  /** Of its canonical form. */
  readonly sha256: string;
  /** Absolute path of the folder of images with a relative path: in another folder, the same rows have other images. */
  readonly imageFolder?: string;
}

/** How a job shares the enqueued tokens of an account with others; not part of its identity. */
export interface TokenQueueOptions {
  readonly priority: Priority;
  /** Limits of enqueued prompt tokens by model, as the user knows them. */
  readonly limits?: Readonly<Record<string, number>>;
}

/** The limit of enqueued tokens that the user gave for a model; null without one. */
export function tokenLimitOf(queue: TokenQueueOptions | undefined, model: string): number | null {
  const limits = new Map(Object.entries(queue?.limits ?? {}));
  return limits.get(model) ?? limits.get('*') ?? null;
}

/** So many batches should fit a limit at a time: with fewer, much of it stays unused while one ends. */
const BATCHES_IN_LIMIT = 4;

/** Bytes of request lines for each prompt token, or more: texts have some four, and JSON comes on top. */
const BYTES_PER_TOKEN = 4;

/** The size of a model's shards so that several fit the limit of enqueued tokens, if the user gave it. */
export function fittingShardBytes(
  queue: TokenQueueOptions | undefined,
  model: string,
  shardBytes: number,
): number {
  const limit = tokenLimitOf(queue, model);
  return limit === null ? shardBytes : Math.min(shardBytes, (limit / BATCHES_IN_LIMIT) * BYTES_PER_TOKEN);
}

/** What happens to answers that do not fit the schema of the template, refusals, and answers that were cut. */
export interface AnswerLimits {
  /** After how many of them a line ends `failed`. */
  readonly attempts: number;
  /** True when the next request says what was wrong with the answer. */
  readonly tellErrors?: true;
}

/** True for a job that uses answers of earlier jobs. */
export function usesEarlierAnswers({ onlyNew, reuse }: Pick<JobSpec, 'onlyNew' | 'reuse'>): boolean {
  return onlyNew !== undefined || reuse === true;
}

/** What the input of a job consists of, for messages. */
export function rowNoun({ template }: Pick<JobSpec, 'template'>): 'line' | 'row' {
  return template === undefined ? 'line' : 'row';
}

/** The values of a job's search attributes; not part of its identity. */
export interface JobLabels {
  /** The account that pays, as the user names it. */
  readonly account: string | null;
  /** The schedule that started it. */
  readonly schedule: string | null;
  /** The `rows` of that schedule's spec. */
  readonly scheduleRows?: string;
  /** True when the namespace has our search attributes: a workflow that sets unknown ones makes no progress. */
  readonly searchable: boolean;
}

/** The path, size and hash of the input when it was first read. */
export interface InputFingerprint {
  /** Of a file; for an input in the store, the name of what it was read from. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  /** True for rows or requests that were written to the store when the job was started (`inputFiles.rows`). */
  readonly stored?: true;
  /**
   * The record of the columns of stored rows (`inputFiles.columns`). Not part of the job's identity: types change tables of results, and no
   * request.
   */
  readonly columns?: string;
}

/** A spec without the fields that depend on the content of the input. */
export type CheckedOptions = Omit<JobSpec, 'jobId' | 'input'> & { readonly jobId: string | null };

/**
 * Checks options and fills in the defaults, which are defined only here. `hasAnswer`: whether the request template has an `answer`.
 * @throws BatchError `bad_option` naming the option, its range and its value
 */
export function checkJobOptions(
  options: Omit<JobOptions, 'input'>,
  hasAnswer: boolean = false,
): CheckedOptions {
  const { jobId, endpoint, model, onlyNew } = options;
  if (jobId !== undefined && !isJobId(jobId)) {
    throw badFlag(
      'job',
      `must be 1 to 120 characters of A-Z a-z 0-9 . _ - and start with a letter or digit, got "${jobId}"`,
    );
  }
  if (model !== undefined && (model.trim() === '' || model.length > 256)) {
    throw badFlag('model', `must be the name of a model, got "${model.slice(0, 40)}"`);
  }
  if (endpoint !== undefined && !isEndpoint(endpoint)) {
    throw badFlag('endpoint', `must be one of ${endpoints.join(', ')}, got "${endpoint}"`);
  }
  if (onlyNew !== undefined) assertSeries(onlyNew);
  for (const name of ['reuse', 'rebuy', 'skipBadLines', 'tellErrors'] as const)
    if (options[name] !== undefined && typeof options[name] !== 'boolean')
      throw badFlag(flagOf(name), `must be true or false, got "${String(options[name]).slice(0, 40)}"`);
  const account = options.account?.trim() ?? null;
  if (account !== null && (account === '' || account.length > 100)) {
    throw badFlag('account', `must be a name of 1 to 100 characters, got "${account.slice(0, 40)}"`);
  }
  const hours = options.giveUpAfterHours;
  return {
    v: 1,
    jobId: jobId ?? null,
    model: model ?? null,
    endpoint: endpoint ?? null,
    shardLines: whole('shard-lines', options.shardLines, 1, MAX_BATCH_LINES, MAX_BATCH_LINES),
    shardBytes: whole('shard-bytes', options.shardBytes, 1_000, MAX_BATCH_BYTES, MAX_BATCH_BYTES),
    attempts: whole('attempts', options.attempts, 1, 20, 3),
    pollMs: Math.round(between('poll', options.pollSeconds, 0.05, 3_600, 2) * 1_000),
    inFlight: whole('in-flight', options.inFlight, 1, 1_000, 100),
    skipBadLines: options.skipBadLines ?? false,
    rebuy: options.rebuy ?? false,
    giveUpAfterMs: hours === undefined ? null : between('give-up-after', hours, 1, 10_000, 1) * 3_600_000,
    ...(onlyNew === undefined ? {} : { onlyNew: { schedule: onlyNew } }),
    ...(options.reuse === true ? { reuse: true } : {}),
    ...answerLimits(options, hasAnswer),
    ...tokenQueueOf(options),
    ...(options.prices === undefined ? {} : { prices: options.prices }),
    ...(account === null ? {} : { labels: { account, schedule: null, searchable: false } }),
  };
}

function answerLimits(
  { answerAttempts, tellErrors }: Omit<JobOptions, 'input'>,
  hasAnswer: boolean,
): Pick<CheckedOptions, 'answer'> {
  const given = answerAttempts !== undefined ? 'answer-attempts' : tellErrors === true ? 'tell-errors' : null;
  if (!hasAnswer) {
    if (given === null) return {};
    throw badFlag(given, 'needs a schema of the answers: give --answer too, or leave it out');
  }
  const attempts = whole('answer-attempts', answerAttempts, 1, 20, 2);
  return { answer: { attempts, ...(tellErrors === true ? { tellErrors } : {}) } };
}

function tokenQueueOf({
  priority,
  tokenLimits,
}: Omit<JobOptions, 'input'>): Pick<CheckedOptions, 'tokenQueue'> {
  if (priority !== undefined) assertPriority(priority);
  if (tokenLimits !== undefined) assertTokenLimits(tokenLimits);
  if (priority === undefined && tokenLimits === undefined) return {};
  const limits = tokenLimits === undefined ? {} : { limits: tokenLimits };
  return { tokenQueue: { priority: priority ?? 'normal', ...limits } };
}

/** @throws BatchError `bad_option` for what is no priority */
export function assertPriority(priority: unknown): asserts priority is Priority {
  if (isPriority(priority)) return;
  throw badFlag(
    'priority',
    `must be one of ${priorities.join(', ')}, got "${String(priority).slice(0, 40)}"`,
  );
}

function assertTokenLimits(limits: Readonly<Record<string, number>>): void {
  const isMap = typeof limits === 'object' && limits !== null && !Array.isArray(limits);
  const bad = isMap ? Object.entries(limits).find(([, n]) => !Number.isSafeInteger(n) || n <= 0) : null;
  if (bad === undefined) return;
  const got = bad === null ? 'another value' : `${String(bad[1]).slice(0, 40)} for ${bad[0].slice(0, 80)}`;
  throw badFlag('token-limit', `must be a whole number of tokens above 0 for each model, got ${got}`);
}

/** True for a valid id of a new job; it is also a folder's name in the store. */
export function isJobId(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,119}$/.test(text);
}

/** True for a valid name of a series of jobs, or of a schedule; it is also a folder's name in the store. */
export function isSeriesName(text: unknown): boolean {
  return typeof text === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$/.test(text);
}

/** An option as the command line spells it. */
function flagOf(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** JavaScript may pass `true`, which is valid for a schedule only. */
function assertSeries(name: unknown): void {
  if (isSeriesName(name)) return;
  throw badFlag(
    'only-new',
    `must be the name of a series of jobs, 1 to 80 characters of A-Z a-z 0-9 . _ - and starting with a letter or digit, got "${String(name).slice(0, 90)}"`,
  );
}

/**
 * Returns the id if it is valid. Ids are names of folders in the store, so they cannot lead out of it.
 * @throws BatchError `bad_option`
 */
export function assertJobId(jobId: unknown): string {
  if (typeof jobId === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/.test(jobId)) return jobId;
  throw badFlag(
    'job',
    `must be the id of a job, of A-Z a-z 0-9 . _ - and starting with a letter or digit, got "${String(jobId).slice(0, 120)}"`,
  );
}

/**
 * The options that make another job of the same input: what is sent, how it is cut into shards and how
 * lines end. The poll interval, the folder of the results and the workers are not part of it.
 */
export function jobIdentity(checked: CheckedOptions, sha256: string): string {
  const { model, endpoint, shardLines, shardBytes, attempts, skipBadLines, giveUpAfterMs } = checked;
  const { onlyNew, reuse, template, answer } = checked;
  return JSON.stringify([
    1,
    sha256,
    model,
    endpoint,
    shardLines,
    shardBytes,
    attempts,
    skipBadLines,
    giveUpAfterMs,
    ...(onlyNew === undefined ? [] : [onlyNew.schedule]),
    ...(reuse === undefined ? [] : [{ reuse }]),
    ...(template === undefined ? [] : [[template.sha256, template.imageFolder ?? null]]),
    ...(answer === undefined ? [] : [[answer.attempts, answer.tellErrors ?? false]]),
  ]);
}

/** Assembles the spec; `derivedId` is the id of a job for which the caller gave none. */
export function resolveJobSpec(checked: CheckedOptions, input: InputFingerprint, derivedId: string): JobSpec {
  return { ...checked, jobId: checked.jobId ?? derivedId, input };
}

/** The readable first part of a derived job id: the input's name without folder and extension. */
export function jobIdStem(path: string): string {
  const name = path.split(/[\\/]/).at(-1) ?? '';
  const stem = name
    .replace(/\.(gz|zst)$/i, '')
    .replace(/\.(jsonl|ndjson|json|csv|tsv|tab|parquet|txt|md)$/i, '')
    .replaceAll(/[^A-Za-z0-9_-]+/g, '-')
    .replaceAll(/^[-_]+|[-_]+$/g, '')
    .slice(0, 60);
  return stem === '' ? 'job' : stem;
}

function whole(
  option: string,
  value: number | undefined,
  low: number,
  high: number,
  fallback: number,
): number {
  const chosen = between(option, value, low, high, fallback);
  if (!Number.isInteger(chosen)) {
    throw badFlag(option, `must be a whole number from ${low} to ${high}, got ${chosen}`);
  }
  return chosen;
}

function between(
  option: string,
  value: number | undefined,
  low: number,
  high: number,
  fallback: number,
): number {
  if (value === undefined) return fallback;
  if (!(value >= low && value <= high)) {
    throw badFlag(option, `must be a number from ${low} to ${high}, got ${value}`);
  }
  return value;
}
