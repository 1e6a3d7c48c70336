import { endpoints } from '../../core/limits.ts';
import {
  array,
  boolean,
  exactOptional,
  int,
  number,
  oneOf,
  record,
  strictObject,
  string,
  union,
  unknown,
  type ZodType,
} from '../../render/zod.ts';

/*
 * The one description of what a job file may contain. `docs/job-file.schema.json` and the table of docs/job-files.md are generated from it.
 */

/** A text that is in the job file, or in a file of its own. */
export type TextOrFile = string | { readonly file: string };

/** The content of a job file. */
export interface JobFile {
  readonly $schema?: string;
  readonly input?: string | readonly string[];
  readonly prompt?: TextOrFile;
  readonly system?: TextOrFile;
  readonly answer?: Readonly<Record<string, unknown>>;
  readonly out?: string;
  readonly npy?: string;
  readonly keep?: readonly string[];
  readonly prices?: Readonly<Record<string, unknown>>;
  /** Every other key is the option of the same name. */
  readonly [option: string]: unknown;
}

const pathsRule = 'must be a path, or a list of paths';
const path = string('must be a path').min(1, 'must be a path');
const file = strictObject({ file: path }, 'must be {"file": …}');
const textOrFile = union([string(), file], 'must be a text, or {"file": …} with the path of one');
const columnName = string('must be the name of a column').min(1, 'must be the name of a column');
const column = strictObject({ column: columnName }, 'must be {"column": …} with the name of a column');
const modelRule = 'must be the name of a model, or {"column": …}';
const modelName = string().min(1, modelRule);
const wholeFrom = (low: number, high: number): ReturnType<typeof int> => {
  const rule = `must be a whole number from ${low} to ${high}`;
  return int(rule).min(low, rule).max(high, rule);
};
const numberFrom = (low: number, high: number): ReturnType<typeof number> => {
  const rule = `must be a number from ${low} to ${high}`;
  return number(rule).min(low, rule).max(high, rule);
};
const flag = boolean('must be true or false');
const text = string('must be a text').min(1, 'must not be empty');
const object = record(string(), unknown(), 'must be an object');

/** The keys, in the order of the documentation. */
export const jobFileKeys: Readonly<Record<string, ZodType>> = {
  $schema: exactOptional(string('must be a text').describe('The JSON Schema of job files, for editors')),
  input: exactOptional(
    union([path, array(path).min(1, pathsRule)], pathsRule).describe(
      'Paths and patterns of the input: with `prompt`, tables or documents; without, one `.jsonl` file of requests. `-` is standard input',
    ),
  ),
  sql: exactOptional(
    text.describe(
      'A SELECT statement of DuckDB, instead of `input`. Paths in it are relative to the working directory',
    ),
  ),
  format: exactOptional(
    oneOf(['csv', 'tsv', 'json', 'jsonl', 'parquet'], 'must be csv, tsv, json, jsonl or parquet').describe(
      'The format of the input, instead of that of its ending',
    ),
  ),
  chunkTokens: exactOptional(
    wholeFrom(1, 1_000_000).describe('Cuts documents into chunks of at most this many tokens, one row each'),
  ),
  chunkOverlap: exactOptional(
    wholeFrom(0, 500_000).describe(
      'Tokens of a chunk that the next one repeats, up to half of `chunkTokens`',
    ),
  ),
  prompt: exactOptional(
    textOrFile.describe('A Liquid template over the columns of a row, as a text or in a file'),
  ),
  system: exactOptional(textOrFile.describe('The system message, likewise')),
  model: exactOptional(
    union([modelName, column], modelRule).describe('The model, or the column that names it'),
  ),
  endpoint: exactOptional(
    oneOf(endpoints, `must be one of ${endpoints.join(', ')}`).describe('The endpoint of all requests'),
  ),
  embed: exactOptional(
    flag.describe('Embeddings: the endpoint is `/v1/embeddings`, the prompt `{{ text }}` unless given'),
  ),
  params: exactOptional(object.describe('Further fields of the body')),
  images: exactOptional(
    strictObject(
      {
        column: columnName,
        detail: exactOptional(oneOf(['low', 'high', 'auto'], 'must be low, high or auto')),
      },
      'must be {"column": …}, and may have "detail"',
    ).describe('The column of images: URLs, or paths of files'),
  ),
  answer: exactOptional(
    union([file, object], 'must be a JSON Schema, or {"file": …}').describe(
      'The JSON Schema of the answers, here or in a file',
    ),
  ),
  answerAttempts: exactOptional(
    wholeFrom(1, 20).describe('Answers per row, until one fits the schema of `answer` (default: 2)'),
  ),
  tellErrors: exactOptional(
    flag.describe('Requests a wrong answer again with the answer and what is wrong with it'),
  ),
  id: exactOptional(column.describe('The column of your ids (`custom_id`)')),
  out: exactOptional(
    path.describe('For `run`: a `.parquet`, `.csv`, `.jsonl` or `.npy` file, or a folder, for the results'),
  ),
  npy: exactOptional(path.describe('A further `.npy` file, for the vectors of embeddings')),
  keep: exactOptional(
    array(columnName, 'must be a list of columns').describe(
      'The columns of the input that the table of results gets (default: all)',
    ),
  ),
  jobId: exactOptional(text.describe('Id of the job, instead of one from the rows and options')),
  account: exactOptional(text.describe('A name for who pays, by which jobs can be found')),
  priority: exactOptional(
    oneOf(['high', 'normal', 'low'], 'must be high, normal or low').describe(
      "Shares the account's enqueued tokens with other jobs; those of a high priority are granted theirs first",
    ),
  ),
  tokenLimits: exactOptional(
    record(string(), wholeFrom(1, 1e15), 'must be an object of numbers').describe(
      "The account's limits of enqueued prompt tokens by model, `*` for all others",
    ),
  ),
  prices: exactOptional(
    union([file, object], 'must be prices of models, or {"file": …}').describe(
      'Prices of models instead of the published ones, here or in a [price file](cli.md#prices)',
    ),
  ),
  skipBadLines: exactOptional(flag.describe('Ends bad rows as `failed` instead of refusing the input')),
  attempts: exactOptional(wholeFrom(1, 20).describe('Attempts per row (default: 3)')),
  shardLines: exactOptional(wholeFrom(1, 50_000).describe('Most rows of a batch (default: 50000)')),
  shardBytes: exactOptional(
    wholeFrom(1_000, 190_000_000).describe('Most bytes of a batch (default: 190000000)'),
  ),
  inFlight: exactOptional(wholeFrom(1, 1_000).describe('Most batches in flight at a time (default: 100)')),
  pollSeconds: exactOptional(
    numberFrom(0.05, 3_600).describe('First and smallest interval between polls (default: 2)'),
  ),
  giveUpAfterHours: exactOptional(
    numberFrom(1, 10_000).describe('Cancels a batch this long after its creation (default: never)'),
  ),
  onlyNew: exactOptional(
    text.describe('Sends only what no earlier job of this series has answered, and joins the kept answers'),
  ),
  reuse: exactOptional(
    flag.describe('Takes the answer of an identical request from the earlier jobs of the store'),
  ),
  rebuy: exactOptional(flag.describe('Buys rows again whose paid answer the API lost')),
};

/** What a job file may contain. */
export const jobFileSchema: ZodType<JobFile> = strictObject(
  jobFileKeys,
  'must have keys and values, such as input: reviews.csv',
);
