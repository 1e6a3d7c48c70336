import { resolve } from 'node:path';
import { badOption } from '../core/bad-option.ts';
import { BatchError, ErrorCode } from '../core/errors.ts';
import {
  assertPlaceholders,
  assertQueryPlaceholders,
  withoutPlaceholders,
  type ScheduleSpec,
} from '../core/schedule-spec.ts';
import { keepHashed, readHashed, sha256Of } from '../store/hashed-text.ts';
import { inputFiles } from '../store/job-files.ts';
import { storeIdentity } from '../store/store-identity.ts';
import type { Store } from '../store/store.ts';
import {
  checkSource,
  rowSourceOf,
  STDIN,
  type ReadingOptions,
  type SourceOptions,
} from './row-source-options.ts';
import { checkStart, type StartOptions, type StartSettings } from './start-options.ts';
import type { TemplateFiles, TemplateOptions } from './template-options.ts';

/*
 * A schedule of jobs over rows. Prompts and queries must not be in histories, so they are in the store, at a key made of their hash; the
 * schedule carries the hash.
 */

/** How each run of a schedule makes requests of rows: options of `client.start()`, as plain JSON. */
export interface ScheduleRows extends ReadingOptions, Omit<TemplateOptions, 'answer'> {
  readonly v: 1;
  /** Absolute paths and patterns, with placeholders. */
  readonly input?: readonly string[];
  /** A query, in which known placeholders are filled. */
  readonly sql?: string;
  /** A JSON Schema. */
  readonly answer?: Readonly<Record<string, unknown>>;
  /** Absolute path of the folder of images of a source that is no file. */
  readonly folder: string;
  /** Absolute path of the folder of relative paths in the query. */
  readonly queryFolder?: string;
}

/** The options of a schedule's jobs that are in `ScheduleRows`. */
const names = [
  'format',
  'chunkTokens',
  'chunkOverlap',
  'prompt',
  'system',
  'model',
  'endpoint',
  'params',
  'images',
  'id',
] as const;

/** The options of a schedule's jobs; others are ignored. */
export type ScheduledStart = Omit<StartSettings, 'jobId' | 'onlyNew'> & Pick<SourceOptions, 'input' | 'sql'>;

/** Every option that describes rows or their requests, and none of a job of ready requests. */
export const rowOptionNames: readonly string[] = [...names, 'sql', 'answer', 'embed'];

/** The files of a job file, or of options of the command line. */
export interface ScheduleFiles {
  /** The folder of images of a source that is no file. @default the working directory */
  readonly folder?: string | undefined;
  /** The files of the template, for messages. */
  readonly files?: TemplateFiles;
  /** The folder of relative paths in a query. @default the working directory */
  readonly queryFolder?: string | undefined;
  /** True if `params` are single fields, which an update adds to those of the schedule. */
  readonly addsParams?: boolean;
}

/**
 * Checks the options of a schedule's jobs, and returns those of rows; null for ready requests. Reads no row: each run does.
 * @throws BatchError `bad_option`, `bad_input`
 */
export async function scheduleRowsOf(
  options: ScheduledStart,
  { folder = '.', files = {}, queryFolder = '.' }: ScheduleFiles = {},
): Promise<ScheduleRows | null> {
  const { input, sql: query } = options;
  const paths = checkSource(options);
  if (paths.includes(STDIN))
    throw badOption('input', 'is standard input: a schedule reads files, or a query');
  for (const path of paths) assertPlaceholders('input', path);
  if (query !== undefined) assertQueryPlaceholders(query);
  // The name of no time: names with placeholders would be taken for patterns.
  const atNoTime = input === undefined ? {} : { input: paths.map(withoutPlaceholders) };
  const { given, template } = await checkStart({ ...options, ...atNoTime }, files);
  if (template === null) return null;
  rowSourceOf(given, paths);
  const { sql } = given;
  const described = names
    .map((name) => [name, given[name]] as const)
    .filter(([, value]) => value !== undefined);
  return {
    v: 1,
    ...(sql === undefined
      ? { input: paths.map((path) => resolve(path)) }
      : { sql, queryFolder: resolve(queryFolder) }),
    ...Object.fromEntries(described),
    ...(template.answer === undefined ? {} : { answer: template.answer.schema }),
    folder: resolve(folder),
  };
}

/** What lists call the source of a schedule's rows. */
export function nameOfRows({ input = [] }: ScheduleRows): string {
  const [first, ...others] = input;
  if (first === undefined) return 'a query';
  return others.length === 0 ? first : `${first} and ${others.length} more`;
}

/** The reference that a schedule carries. */
export function referenceOfRows(rows: ScheduleRows): { readonly sha256: string } {
  return { sha256: sha256Of(JSON.stringify(rows)) };
}

/**
 * Writes the options to the store. Every call with the same options writes the same value.
 * @throws BatchError `store_unavailable`
 */
export async function keepScheduleRows(store: Store, rows: ScheduleRows): Promise<void> {
  await store.check();
  await keepHashed(store, inputFiles.scheduleRows, JSON.stringify(rows));
}

/**
 * Writes the options of a schedule of rows to the store, and names the store in its spec. Called before the schedule is created or changed: a
 * process that dies in between leaves a value that nothing names.
 * @throws BatchError `store_unavailable`
 */
export async function withStoredRows(
  store: Store,
  spec: ScheduleSpec,
  rows: ScheduleRows | null,
): Promise<ScheduleSpec> {
  if (rows === null) return spec;
  await keepScheduleRows(store, rows);
  return { ...spec, rows: { ...referenceOfRows(rows), store: await storeIdentity(store) } };
}

/**
 * Reads the options of a schedule.
 * @throws BatchError `bad_input` if the store does not have them
 */
export async function readScheduleRows(
  store: Store,
  { sha256 }: { readonly sha256: string },
  schedule: string,
): Promise<ScheduleRows> {
  const found = await readHashed(store, inputFiles.scheduleRows, sha256);
  if ('text' in found) return JSON.parse(found.text) as ScheduleRows;
  const place = store.locationOf(inputFiles.scheduleRows(sha256));
  throw new BatchError(
    ErrorCode.BadInput,
    `The options of schedule ${schedule} are ${found.problem} (${place}): delete the schedule and create it again, with the DURABLE_BATCH_HOME of the workers.`,
  );
}

/** The options of the job of one run: names and the query at its time. */
export function rowOptionsAt(rows: ScheduleRows, at: (name: string) => string): StartOptions {
  const { v: _, folder: __, queryFolder: ___, input, sql, ...options } = rows;
  const source = sql === undefined ? { input: input!.map(at) } : { sql: at(sql) };
  return { ...options, ...source };
}
