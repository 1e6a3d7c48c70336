import type { ChunkOptions } from './chunk-text.ts';
import type { TableFormat } from './table-format.ts';

/** What rows are read from. */
export type RowSource = PathSource | StreamSource | QuerySource | ObjectSource;

/** The source, which collects the errors of its iterable: those are the user's, and not of the store. */
export function watchSource(source: RowSource, errors: Set<unknown>): RowSource {
  if (source.kind === 'objects') return { ...source, objects: watch(source.objects, errors) };
  return source.kind === 'stream' ? { ...source, bytes: watch(source.bytes, errors) } : source;
}

async function* watch<T>(items: AsyncIterable<T> | Iterable<T>, errors: Set<unknown>): AsyncGenerator<T> {
  try {
    yield* items;
  } catch (error) {
    errors.add(error);
    throw error;
  }
}

/** Files: tables, or documents. All of them are of one kind. */
export interface PathSource {
  readonly kind: 'paths';
  /** Paths and globs. The files of a glob are read in sorted order. */
  readonly paths: readonly string[];
  /** The format of all files. @default by the ending of each; a file with any other ending is a document */
  readonly format?: TableFormat;
  /** Reads the files as documents, whatever their endings, and cuts them into chunks, one row each. */
  readonly chunks?: ChunkOptions;
  /** What happens to a document that cannot be read: it is refused, or gets a row whose `text` is null. @default 'refuse' */
  readonly unreadable?: 'refuse' | 'row';
}

/** The bytes of one table, such as standard input. */
interface StreamSource {
  readonly kind: 'stream';
  readonly bytes: AsyncIterable<Uint8Array>;
  /** @default 'csv' */
  readonly format?: TableFormat;
}

/** The result of one SELECT statement of DuckDB. Relative paths in it are relative to the working directory. */
export interface QuerySource {
  readonly kind: 'query';
  readonly sql: string;
  /** A folder in which relative paths are found, too. */
  readonly folder?: string;
}

/** Objects from code, such as the rows of a database cursor. The next object is requested only when the previous ones are written. */
interface ObjectSource {
  readonly kind: 'objects';
  readonly objects: AsyncIterable<object> | Iterable<object>;
}
