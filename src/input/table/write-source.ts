import type { Column } from '../../store/stored-columns.ts';
import { documentColumns, documentRows, refuseDocument, type UnreadableDocument } from './documents.ts';
import type { QueryColumn } from '../../duckdb/duckdb.ts';
import { quoteText } from '../../duckdb/sql-text.ts';
import { assertReadable, expandPaths } from './expand-paths.ts';
import { QUERY, selectQuery, translateQueryError } from './query-source.ts';
import type { PathSource, QuerySource, RowSource } from './row-source.ts';
import { saveStream } from './save-stream.ts';
import { tableError, type TablePlace } from './table-error.ts';
import { nameOfAll, tableOfFiles } from './table-files.ts';
import { tableFormatOf, TableFormat } from './table-format.ts';
import type { TableFile, TableQuery } from './table-query.ts';
import { writeObjects } from './write-objects.ts';
import { writeTableRows, type Table } from './write-table-rows.ts';

/** What messages call objects from code. */
const ITERABLE = 'the iterable';

/** Rows that were written to a file. */
export interface WrittenRows {
  /** What messages call the source. */
  readonly name: string;
  /** Null when the columns are the members of the rows, which are not checked yet. */
  readonly columns: readonly Column[] | null;
  /** The place of a row in the source. */
  readonly placeOf: (row: number) => TablePlace | Promise<TablePlace>;
  readonly unreadable: readonly UnreadableDocument[];
}

/** Writes the rows of a source to a file, one JSON object per line, in order. `folder` is for files that exist only meanwhile. */
export async function writeSource(source: RowSource, folder: string, path: string): Promise<WrittenRows> {
  switch (source.kind) {
    case 'paths':
      return await writePaths(source, folder, path);
    case 'stream': {
      const format = source.format ?? TableFormat.Csv;
      const file = { path: await saveStream(source.bytes, folder, format), name: 'standard input' };
      return await writeFiles([file], format, folder, path);
    }
    case 'query':
      return await write(QUERY, querySource(source), folder, path);
    case 'objects':
      await writeObjects(source.objects, path, ITERABLE);
      return ofObjects(ITERABLE);
    default:
      return source satisfies never;
  }
}

async function writePaths(source: PathSource, folder: string, path: string): Promise<WrittenRows> {
  const paths = await expandPaths(source.paths);
  const files = paths.map((file) => ({ path: file, name: file }));
  const format = source.chunks === undefined ? (source.format ?? commonFormat(paths)) : null;
  if (format === null) {
    const unreadable: UnreadableDocument[] = [];
    const onUnreadable =
      source.unreadable === 'row'
        ? (document: UnreadableDocument): void => void unreadable.push(document)
        : refuseDocument;
    const name = source.paths.length === 1 ? source.paths[0]! : nameOfAll(files);
    await writeObjects(documentRows(paths, source.chunks, onUnreadable), path, name);
    return { ...ofObjects(name), columns: documentColumns(source.chunks), unreadable };
  }
  for (const file of paths) await assertReadable(file);
  return await writeFiles(files, format, folder, path);
}

/** Null for documents. */
function commonFormat(paths: readonly string[]): TableFormat | null {
  const [first, ...others] = paths;
  const format = tableFormatOf(first!);
  const other = others.find((path) => tableFormatOf(path) !== format);
  if (other !== undefined) {
    const reason = `is not of the same format as ${first!}`;
    throw tableError({ source: other }, reason, 'name files of one format, or say which one they have');
  }
  return format;
}

async function writeFiles(
  files: readonly TableFile[],
  format: TableFormat,
  folder: string,
  path: string,
): Promise<WrittenRows> {
  return await write(nameOfAll(files), await tableOfFiles(files, format, folder), folder, path);
}

function querySource({ sql, folder }: QuerySource): Table {
  return {
    query: async (db): Promise<TableQuery> => {
      if (folder !== undefined) await db.run(`SET file_search_path = ${quoteText(folder)}`);
      return await selectQuery(db, sql);
    },
    translate: translateQueryError,
    placeOf: (row) => ({ source: QUERY, row }),
  };
}

async function write(name: string, table: Table, folder: string, path: string): Promise<WrittenRows> {
  const columns = await writeTableRows(table, folder, path);
  return { name, columns: columns?.map(toColumn) ?? null, placeOf: table.placeOf, unreadable: [] };
}

const toColumn = ({ name, type }: QueryColumn): Column => ({ name, type: String(type) });

function ofObjects(name: string): WrittenRows {
  return { name, columns: null, placeOf: (row) => ({ source: name, row }), unreadable: [] };
}
