import { dirname, resolve } from 'node:path';
import { badOption } from '../core/bad-option.ts';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { jobOptionNames, type InputFingerprint, type JobOptions, type JobSpec } from '../core/job-spec.ts';
import { assertKnownOptions, nearest } from '../core/known-options.ts';
import { Endpoint } from '../core/limits.ts';
import { inputExists } from '../input/input-exists.ts';
import type { MaterializedRows } from '../input/table/materialize-rows.ts';
import type { RowSource } from '../input/table/row-source.ts';
import { tableFormatOf, TableFormat } from '../input/table/table-format.ts';
import type { TemplateNames } from '../render/column-uses.ts';
import type { RequestTemplate } from '../render/request-template.ts';
import type { Store } from '../store/store.ts';
import { templateReference } from './job-template.ts';
import { assertGivenPrices, checkOptions, nameJob, prepareJob } from './prepare-job.ts';
import {
  checkSource,
  rowSourceOf,
  sourceStem,
  STDIN,
  type ObjectStream,
  type ReadingOptions,
  type SourceOptions,
} from './row-source-options.ts';
import { requestTemplateOf, type TemplateFiles, type TemplateOptions } from './template-options.ts';

/** The options of a start besides its source. Every field is optional. */
export interface StartSettings
  extends Omit<JobOptions, 'input' | 'model' | 'endpoint'>, TemplateOptions, ReadingOptions {
  /** Sends requests for embeddings: the endpoint is `/v1/embeddings`, and the prompt `{{ text }}` unless one is given. @default false */
  embed?: boolean;
}

/**
 * The options of `client.start()`: one source, and what to do with it. With `prompt`, the source is rows, and each becomes a request.
 * Without, it is ready requests.
 *
 * - `input`: a `.jsonl` file of requests. With `prompt`, files of rows, as paths or patterns (`'reviews/*.csv'`): tables (CSV, TSV, JSON,
 *   JSONL, Parquet, also gzip or zstd), or documents, which have the columns `path` and `text`, and `chunk` with `chunkTokens`.
 * - `sql`: a SELECT statement of DuckDB, such as `select * from 'reviews.parquet'`.
 * - `rows`: objects whose fields are the columns.
 * - `requests`: ready requests, `{ body: { model, messages } }`.
 */
export type StartOptions = StartSettings &
  (
    | {
        /** The path of a file of requests or, with `prompt`, the paths and patterns of files of rows. */
        input: string | readonly string[];
      }
    | {
        /** One SELECT statement of DuckDB, whose rows are stored once. Needs `prompt`. */
        sql: string;
      }
    | {
        /** Rows, which are stored as they are read. Needs `prompt`. */
        rows: ObjectStream;
      }
    | {
        /** Ready requests, which are stored as they are read. */
        requests: ObjectStream;
      }
  );

/** Every option of a start. */
export const startOptionNames: readonly string[] = [
  ...jobOptionNames,
  ...Object.keys({
    sql: true,
    rows: true,
    requests: true,
    format: true,
    chunkTokens: true,
    chunkOverlap: true,
    embed: true,
    prompt: true,
    system: true,
    params: true,
    images: true,
    answer: true,
    id: true,
  } satisfies Readonly<
    Record<
      Exclude<keyof StartSettings | 'sql' | 'rows' | 'requests', keyof JobOptions | 'model' | 'endpoint'>,
      true
    >
  >),
];

/** How options are resolved; every field is optional. */
export interface ResolveOptions {
  /** Gives the job a new unique id. @default false */
  readonly fresh?: boolean;
  /** The files of the template, for messages. */
  readonly names?: TemplateFiles;
  /** The folder of images of a source that is no file. @default the working directory */
  readonly folder?: string;
  /** A folder in which relative paths of a query are also looked for. */
  readonly queryFolder?: string;
  /** The bytes of the input `-`. @default none: it is refused */
  readonly stdin?: AsyncIterable<Uint8Array>;
}

/** A start that only needs a server. */
export interface ResolvedStart {
  readonly spec: JobSpec;
  /** Null for ready requests. */
  readonly template: RequestTemplate | null;
  /** The rows or requests that were stored; null for a file that the worker reads. */
  readonly stored: MaterializedRows | null;
}

/**
 * Checks the options of a start, reads its source once and returns the job's spec; starts nothing. Rows, requests of code and queries are
 * written to the store: a process that dies afterwards leaves rows that no job names, which the same call writes again under the
 * same key.
 * @throws BatchError `bad_input`, `bad_option`, `store_unavailable`
 */
export async function resolveStart(
  options: StartOptions,
  store: Store,
  { fresh = false, names = {}, folder = '.', queryFolder, stdin }: ResolveOptions = {},
): Promise<ResolvedStart> {
  assertKnownOptions(options ?? {}, startOptionNames);
  const { given, paths, template } = await checkStart(options ?? {}, names);
  if (template === null) return await resolveRequests(given, paths, store, fresh);
  const source = rowSourceOf(given, paths, { stdin, queryFolder });
  // The lines name their model and endpoint.
  const { model: _, endpoint: __, ...others } = jobOptionsOf(given);
  const checked = {
    ...checkOptions(others, template.answer !== undefined),
    template: templateReference(template, await imageFolderOf(paths, folder)),
  };
  const stored = await materialize(source, store);
  await assertColumns(template, stored, names);
  const spec = nameJob(checked, inputOf(stored), { stem: sourceStem(given, paths), fresh });
  return { spec, template, stored };
}

/** Options of a start, of which nothing was read yet. */
export interface CheckedStart {
  /** The options with those that `embed` stands for. */
  readonly given: StartSettings & SourceOptions;
  /** The paths of `input`; none for another source. */
  readonly paths: readonly string[];
  /** Null for ready requests. */
  readonly template: RequestTemplate | null;
}

/**
 * Checks the source and the template of a start, and reads nothing.
 * @throws BatchError `bad_option`, `bad_input` for a text that is not a template
 */
export async function checkStart(
  options: Partial<StartOptions>,
  names: TemplateFiles,
): Promise<CheckedStart> {
  const given = embedding(options);
  await assertGivenPrices(given);
  const paths = checkSource(given);
  const template = await requestTemplateOf(given, names);
  if (template === null) await assertNoRows(given, paths);
  else {
    if (given.requests !== undefined) throw badOption('requests', 'are ready: use rows with a prompt');
    await assertUsesColumn(template);
  }
  return { given, paths, template };
}

/** The start of a job of ready requests: a file stays where it is, requests from code are stored. */
async function resolveRequests(
  given: StartSettings & SourceOptions,
  paths: readonly string[],
  store: Store,
  fresh: boolean,
): Promise<ResolvedStart> {
  const options = jobOptionsOf(given);
  if (given.requests === undefined) {
    const spec = await prepareJob({ ...options, input: paths[0]! }, fresh);
    return { spec, template: null, stored: null };
  }
  const checked = checkOptions(options, false);
  const stored = await materialize({ kind: 'objects', objects: given.requests }, store);
  const spec = nameJob(checked, inputOf(stored), { stem: sourceStem(given, paths), fresh });
  return { spec, template: null, stored };
}

/** The options with those that `embed` stands for. */
function embedding({ embed, ...options }: Partial<StartOptions>): StartSettings & SourceOptions {
  if (embed !== true) return options;
  const { endpoint = Endpoint.Embeddings, prompt = '{{ text }}' } = options;
  if (endpoint !== Endpoint.Embeddings)
    throw badOption('embed', `is for ${Endpoint.Embeddings}, and not for ${endpoint}`);
  return { ...options, endpoint, prompt };
}

/** Refuses what is no file of requests, before it is read as one. */
async function assertNoRows(options: StartSettings & SourceOptions, paths: readonly string[]): Promise<void> {
  const { model } = options;
  for (const name of ['sql', 'rows', 'format', 'chunkTokens', 'chunkOverlap'] as const)
    if (options[name] !== undefined) throw needsPrompt(`Option ${name}`, 'needs a prompt', name);
  if (typeof model === 'object') throw needsPrompt('Option model', 'names a column', 'model');
  const [path, second] = paths;
  if (second !== undefined) throw needsPrompt('Option input', 'names several files', 'input');
  if (path === undefined || path === STDIN) return;
  const format = tableFormatOf(path);
  const isTable = format !== null && format !== TableFormat.Json && format !== TableFormat.JsonLines;
  if (isTable) throw needsPrompt(path, 'is a table', 'input');
  if (/[*?[\]{}]/.test(path) && !(await inputExists(path))) throw needsPrompt(path, 'is a pattern', 'input');
}

function needsPrompt(subject: string, problem: string, option: string): BatchError {
  return new BatchError(
    ErrorCode.BadOption,
    `${subject} ${problem}: add --prompt, in code prompt, such as 'Classify: {{ text }}', which makes a request of each row.`,
    { details: { option } },
  );
}

/** The options of the job itself, without those that are not given. */
function jobOptionsOf(options: StartSettings & SourceOptions): Omit<JobOptions, 'input'> {
  const given = jobOptionNames
    .filter((name) => name !== 'input')
    .map((name) => [name, options[name as keyof StartSettings]] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

/** Loaded only for a source that is stored. */
async function materialize(source: RowSource, store: Store): Promise<MaterializedRows> {
  const { materializeRows } = await import('../input/table/materialize-rows.ts');
  return await materializeRows(source, store);
}

function inputOf({ source, bytes, sha256, columnsId }: MaterializedRows): InputFingerprint {
  return { path: source, bytes, sha256, stored: true, columns: columnsId };
}

/** Images with a relative path are in the folder of the input if that is one path, else in `folder`. */
async function imageFolderOf(paths: readonly string[], folder: string): Promise<string> {
  const [path, second] = paths;
  const isFile = path !== undefined && second === undefined && path !== STDIN && (await inputExists(path));
  return isFile ? dirname(resolve(path)) : resolve(folder);
}

/** Refuses texts without a column: a mistyped path of a prompt would be sent as the prompt, once for each row. */
async function assertUsesColumn(template: RequestTemplate): Promise<void> {
  const { columnUses } = await import('../render/column-uses.ts');
  const { prompt, system, images, endpoint } = template;
  const texts = { endpoint, model: '', prompt, ...(system === undefined ? {} : { system }) };
  if (images !== undefined || columnUses(texts).length > 0) return;
  throw badOption(
    'prompt',
    'uses no column, so every row would get the same request: add one as in {{ review }}, or check the path',
  );
}

/** @throws BatchError `bad_input` for a column that the rows do not have */
async function assertColumns(
  template: RequestTemplate,
  { source, columns }: MaterializedRows,
  names: TemplateNames,
): Promise<void> {
  const { columnUses } = await import('../render/column-uses.ts');
  const known = columns.map(({ name }) => name);
  const missing = columnUses(template, names).find(({ column }) => !known.includes(column));
  if (missing === undefined) return;
  const { column, place } = missing;
  const near = nearest(column, known);
  const advice =
    near === null
      ? `use one of its columns (${known.slice(0, MOST_NAMES).join(', ')}${known.length > MOST_NAMES ? ', …' : ''})`
      : `did you mean "${near}"?`;
  const end = near === null ? '.' : '';
  throw new BatchError(
    ErrorCode.BadInput,
    `${source} has no column "${column}", which is used at ${place}: ${advice}${end}`,
    { details: { file: source, column } },
  );
}

/** Names of columns in a message. */
const MOST_NAMES = 12;
