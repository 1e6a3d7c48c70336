import type { DuckDb, QueryColumn } from '../../duckdb/duckdb.ts';
import { literalPath, quoteList } from '../../duckdb/sql-text.ts';
import { tableError } from './table-error.ts';
import type { TableFile, ToQuery } from './table-query.ts';

/** The query that reads Parquet files, which must have the same columns, in any order. */
export const parquetQuery: ToQuery = async (db, files) => {
  const [first, ...others] = files;
  const columns = await columnsOf(db, first!);
  for (const file of others) assertSame(await columnsOf(db, file), columns, file, first!);
  return { sql: read(files), columns };
};

const read = (files: readonly TableFile[]): string =>
  `FROM read_parquet(${quoteList(files.map(({ path }) => literalPath(path)))})`;

async function columnsOf(db: DuckDb, file: TableFile): Promise<QueryColumn[]> {
  return (await db.columnsOf(read([file])))!;
}

/** DuckDB would silently drop columns that only later files have. */
function assertSame(
  columns: readonly QueryColumn[],
  expected: readonly QueryColumn[],
  file: TableFile,
  first: TableFile,
): void {
  const advice = 'write the same columns with the same types into all files';
  const types = new Map(expected.map(({ name, type }) => [name, String(type)]));
  for (const { name, type } of columns) {
    const place = { source: file.name, column: name };
    const wanted = types.get(name);
    if (wanted === undefined) throw tableError(place, `does not exist in ${first.name}`, advice);
    if (wanted !== String(type))
      throw tableError(place, `has the type ${String(type)}, and ${wanted} in ${first.name}`, advice);
    types.delete(name);
  }
  for (const [column] of types) throw tableError({ source: file.name, column }, 'is missing', advice);
}
