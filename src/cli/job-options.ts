import { InvalidArgumentError, type Command } from 'commander';
import type { JobOptions } from '../core/job-spec.ts';
import type { Priority } from '../core/priority.ts';
import { readTokenLimits } from '../environment.ts';
import { assertNpy } from '../output/output-format.ts';

/** The options of a job, shared by `run` and `start`. */
export interface JobFlags {
  job?: string;
  model?: string;
  endpoint?: string;
  shardLines?: number;
  shardBytes?: number;
  attempts?: number;
  answerAttempts?: number;
  tellErrors?: boolean;
  poll?: number;
  inFlight?: number;
  skipBadLines?: boolean;
  rebuy?: boolean;
  retryFailed?: boolean;
  onlyNew?: string;
  reuse?: boolean;
  giveUpAfter?: number;
  account?: string;
  priority?: Priority;
  tokenLimit?: Record<string, number>;
  prices?: string;
  fresh?: boolean;
}

/** Adds the job options to a command. */
export function addJobOptions(command: Command): Command {
  return command
    .option(
      '--job <id>',
      'id of the job (default: from the input and the options, so that the same command re-joins the job)',
    )
    .option('--model <name>', 'model of the requests that name none')
    .option('--endpoint <path>', 'endpoint of the requests without a url, e.g. /v1/responses')
    .option('--shard-lines <n>', 'maximum lines per batch, 1 to 50000 (default: 50000)', toNumber)
    .option('--shard-bytes <n>', 'maximum bytes per batch, up to 190000000 (default: 190000000)', toNumber)
    .option('--attempts <n>', 'maximum attempts per line, 1 to 20 (default: 3)', toNumber)
    .option(
      '--answer-attempts <n>',
      'maximum answers per line that do not fit the schema, refuse or are cut, 1 to 20 (default: 2)',
      toNumber,
    )
    .option('--tell-errors', 'tell the model what was wrong with its answer when it is requested again')
    .option('--poll <seconds>', 'first and smallest interval between polls (default: 2)', toNumber)
    .option('--in-flight <n>', 'maximum concurrent batches (default: 100)', toNumber)
    .option('--skip-bad-lines', 'end bad input lines as failed rows instead of refusing the input')
    .option('--retry-failed', 'for a job that has ended: send the lines without an answer again')
    .option('--rebuy', 'buy lines again whose paid answer the API lost')
    .option(
      '--only-new <series>',
      "send only lines that no earlier job of this series has answered, and add the kept answers; a name of your choice, or a schedule's name",
    )
    .option('--reuse', 'take the answer of an identical request from the earlier jobs of the store')
    .option(
      '--give-up-after <hours>',
      'cancel a batch that has not ended after this time, and send its remaining lines again',
      toNumber,
    )
    .option('--account <name>', 'name of the account that pays, for filters (default: DURABLE_BATCH_ACCOUNT)')
    .option('--prices <file>', 'a YAML or JSON file with prices of models, instead of the published ones')
    .option(
      '--priority <priority>',
      "high, normal or low: share the account's enqueued tokens with other jobs, those of a high priority first",
    )
    .option(
      '--token-limit <limits>',
      "the account's limit of enqueued prompt tokens, MODEL=N with commas between them, or N for all models: share it with other jobs (default: DURABLE_BATCH_TOKEN_LIMITS)",
      toTokenLimits,
    )
    .option(
      '--fresh',
      'start a new job even if the same one exists: every line is paid for again, except lines that --only-new or --reuse leave out',
    );
}

/** The options that say where and how results are written. */
export interface OutputFlags {
  out?: string;
  npy?: string;
  keep?: string[];
}

/** Adds the output options beside `--out` to a command. */
export function addOutputOptions(command: Command): Command {
  return command
    .option('--npy <file>', 'also write the vectors of embeddings to this .npy file, one row for each row')
    .option(
      '--keep <columns>',
      "columns of the input that the table gets, with commas between them (default: all; '' for none)",
      toNames,
    );
}

/** The output flags that are given. */
export function outputFlagsOf({ out, npy, keep }: OutputFlags): OutputFlags {
  return {
    ...(out === undefined ? {} : { out }),
    ...(npy === undefined ? {} : { npy }),
    ...(keep === undefined ? {} : { keep }),
  };
}

/** A path to write, with its options. */
export interface OutputPath {
  readonly path: string;
  readonly options: { readonly keep?: string[] };
}

/** The paths to write: `--out`, and `--npy` beside it. */
export function outputsOf({ out, npy, keep }: OutputFlags): OutputPath[] {
  if (npy !== undefined) assertNpy(npy);
  return [
    ...(out === undefined ? [] : [{ path: out, options: keep === undefined ? {} : { keep } }]),
    ...(npy === undefined ? [] : [{ path: npy, options: {} }]),
  ];
}

/** Names with commas between them. */
function toNames(text: string): string[] {
  return text === '' ? [] : text.split(',').map((name) => name.trim());
}

/** Converts the flags to the client's options. */
export function toJobOptions(input: string, flags: JobFlags): JobOptions {
  const { job, poll, giveUpAfter, onlyNew, fresh: _fresh, retryFailed: _retry, ...same } = flags;
  const named = {
    ...(job === undefined ? {} : { jobId: job }),
    ...(poll === undefined ? {} : { pollSeconds: poll }),
    ...(giveUpAfter === undefined ? {} : { giveUpAfterHours: giveUpAfter }),
    ...(onlyNew === undefined ? {} : { onlyNew }),
  };
  const { model, endpoint, shardLines, shardBytes, attempts, inFlight, skipBadLines, rebuy, account } = same;
  const { answerAttempts, tellErrors, reuse, priority, tokenLimit: tokenLimits } = same;
  const given = {
    model,
    endpoint,
    shardLines,
    shardBytes,
    attempts,
    inFlight,
    skipBadLines,
    rebuy,
    account,
    answerAttempts,
    tellErrors,
    reuse,
    priority,
    tokenLimits,
  };
  const defined = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return { input, ...named, ...defined };
}

/** True if the job's id is not derived from its input and options. */
export function hasOwnId({ options, fresh }: { options: { jobId?: string }; fresh: boolean }): boolean {
  return options.jobId !== undefined || fresh;
}

/** The help of the argument of `run` and `start`. */
export const INPUT_HELP =
  "a .jsonl file of requests; with --prompt, tables (CSV, TSV, JSON, JSONL, Parquet), documents, quoted patterns ('docs/**/*.md'), or - for standard input";

/** The message for an input that an existing job has under another name. */
export function sameJobMessage(jobId: string, startedFrom: string): string {
  return `Job ${jobId}, started from ${startedFrom}, has the same requests: this command joins it, and nothing is paid again. --fresh starts another job.`;
}

/** Limits by model. */
function toTokenLimits(text: string): Record<string, number> {
  return { ...readTokenLimits(text) };
}

/** Parses a number; `checkJobOptions` checks its range. */
export function toNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('It must be a number.');
  return value;
}
