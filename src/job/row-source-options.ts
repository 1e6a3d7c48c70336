import { badOption } from '../core/bad-option.ts';
import type { ChunkOptions } from '../input/table/chunk-text.ts';
import type { RowSource } from '../input/table/row-source.ts';
import { TableFormat } from '../input/table/table-format.ts';

/** Objects from code, such as the rows of a database cursor; the next one is requested only when those before it are stored. */
export type ObjectStream = Iterable<object> | AsyncIterable<object>;

/** How an input is read. Only for rows: a file of ready requests has neither. */
export interface ReadingOptions {
  /** The format of the input's files. @default by the ending of each; a file with any other ending is a document, one row */
  format?: 'csv' | 'tsv' | 'json' | 'jsonl' | 'parquet';
  /**
   * Reads the input as documents, and cuts each into chunks of at most this many tokens, one row per chunk, at the ends of paragraphs and
   * sentences. Tokens are an estimate: four ASCII characters or one other character. 1 to 1,000,000.
   * @default one row per document
   */
  chunkTokens?: number;
  /** Tokens at the end of a chunk that the next one repeats, up to half of `chunkTokens`. @default 0 */
  chunkOverlap?: number;
}

/** Where the rows or requests of a job come from; one of them is given. */
export interface SourceOptions {
  readonly input?: string | readonly string[];
  readonly sql?: string;
  readonly rows?: ObjectStream;
  readonly requests?: ObjectStream;
}

/** Standard input, as an input. */
export const STDIN = '-';

/** The sources of options, by name. */
const sourceNames = ['input', 'sql', 'rows', 'requests'] as const;

/**
 * Checks that exactly one source is given, and returns it with its paths; those of other sources are empty.
 * @throws BatchError `bad_option`
 */
export function checkSource(options: SourceOptions): readonly string[] {
  const given = sourceNames.filter((name) => options[name] !== undefined);
  if (given.length > 1)
    throw badOption(given[1]!, `cannot be combined with ${given[0]!}: a job has one source`);
  const { input, sql } = options;
  if (given.length === 0 || given[0] === 'input') {
    const paths = typeof input === 'string' ? [input] : (input ?? []);
    const areTexts = Array.isArray(paths) && paths.every((path) => typeof path === 'string' && path !== '');
    if (areTexts && paths.length > 0) return paths;
    throw badOption('input', 'must be the path of a file, or a list of paths');
  }
  if (given[0] === 'sql') {
    if (typeof sql !== 'string' || sql.trim() === '') throw badOption('sql', 'must be a SELECT statement');
  } else if (!isIterable(options[given[0]!])) {
    throw badOption(given[0]!, 'must be an iterable or async iterable of objects');
  }
  return [];
}

function isIterable(value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && (Symbol.iterator in value || Symbol.asyncIterator in value)
  );
}

/** The bytes of the input `-`, and the folder of relative paths in a query; null if there is none. */
export interface RowPlace {
  readonly stdin: AsyncIterable<Uint8Array> | null;
  readonly folder: string | null;
}

/**
 * What the rows of a job with a template are read from.
 * @throws BatchError `bad_option`
 */
export function rowSourceOf(
  options: SourceOptions & ReadingOptions & { readonly skipBadLines?: boolean },
  paths: readonly string[],
  { stdin, folder }: RowPlace,
): RowSource {
  const { sql, rows, requests, format } = options;
  const chunks = chunksOf(options);
  if (format !== undefined && !Object.values(TableFormat).includes(format))
    throw badOption('format', `must be one of ${Object.values(TableFormat).join(', ')}`);
  const given = { ...(format === undefined ? {} : { format }), ...(chunks === null ? {} : { chunks }) };
  const isStream = paths.includes(STDIN);
  if (paths.length === 0 || isStream) {
    const [unused] = isStream ? (chunks === null ? [] : ['chunks']) : Object.keys(given);
    if (unused !== undefined)
      throw badOption(unused === 'chunks' ? 'chunkTokens' : unused, 'is for files only');
  }
  if (sql !== undefined) return { kind: 'query', sql, ...(folder === null ? {} : { folder }) };
  const objects = rows ?? requests;
  if (objects !== undefined) return { kind: 'objects', objects };
  if (isStream) {
    if (paths.length > 1) throw badOption('input', 'cannot be standard input and files together');
    if (stdin === null)
      throw badOption('input', 'is standard input, which only the command line reads: use rows');
    return { kind: 'stream', bytes: stdin, ...(format === undefined ? {} : { format }) };
  }
  if (chunks !== null && format !== undefined)
    throw badOption('chunkTokens', `is for documents, and not for tables (format ${format})`);
  return { kind: 'paths', paths, ...given, unreadable: options.skipBadLines === true ? 'row' : 'refuse' };
}

const MOST_TOKENS = 1_000_000;

function chunksOf({ chunkTokens, chunkOverlap }: ReadingOptions): ChunkOptions | null {
  if (chunkTokens === undefined) {
    if (chunkOverlap !== undefined) throw badOption('chunkOverlap', 'needs chunkTokens');
    return null;
  }
  if (!isWhole(chunkTokens, 1, MOST_TOKENS))
    throw badOption('chunkTokens', `must be a whole number from 1 to ${MOST_TOKENS}`);
  const most = Math.floor(chunkTokens / 2);
  if (chunkOverlap !== undefined && !isWhole(chunkOverlap, 0, most))
    throw badOption('chunkOverlap', `must be a whole number from 0 to ${most}, half of chunkTokens`);
  return { tokens: chunkTokens, ...(chunkOverlap === undefined ? {} : { overlap: chunkOverlap }) };
}

function isWhole(value: number, low: number, high: number): boolean {
  return Number.isInteger(value) && value >= low && value <= high;
}

/** The readable first part of the id of a job: the path, or its last folder that is no pattern. */
export function sourceStem(options: SourceOptions, paths: readonly string[]): string {
  if (options.sql !== undefined) return 'query';
  const [path] = paths;
  if (path === undefined) return options.rows === undefined ? 'requests' : 'rows';
  if (path === STDIN) return 'stdin';
  const parts = path.split(/[\\/]/).filter((part) => part !== '' && !/[*?[\]{}()!]/.test(part));
  return parts.at(-1) ?? 'files';
}
