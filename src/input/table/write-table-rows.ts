import type { DuckDb, Effort, QueryColumn } from '../../duckdb/duckdb.ts';
import { quoteText } from '../../duckdb/sql-text.ts';
import { withDuckDb } from '../../duckdb/with-duckdb.ts';
import type { TablePlace } from './table-error.ts';
import type { TableQuery } from './table-query.ts';

/** What is written, and how its errors are translated. */
export interface Table {
  readonly query: (db: DuckDb, effort: Effort) => Promise<TableQuery>;
  readonly translate: (error: unknown) => unknown;
  /** The place of a row in the source. */
  readonly placeOf: (row: number) => TablePlace | Promise<TablePlace>;
}

/**
 * Writes the rows of a table to a file in order, and returns its columns; null when they are those of the JSON objects.
 *
 * DuckDB writes the file itself: handing its rows over to JavaScript takes twice the time of the whole. A read that needs more memory
 * than usual starts again with more.
 * @throws BatchError `bad_input`, `store_unavailable`
 */
export async function writeTableRows(
  table: Table,
  folder: string,
  path: string,
): Promise<readonly QueryColumn[] | null> {
  try {
    return await withDuckDb(folder, async (db, effort) => await write(table, db, effort, path));
  } catch (error) {
    throw table.translate(error);
  }
}

async function write(
  table: Table,
  db: DuckDb,
  effort: Effort,
  path: string,
): Promise<readonly QueryColumn[] | null> {
  const { sql, columns } = await table.query(db, effort);
  if (columns === null) {
    // As CSV without quotes, each text is a line as it is.
    const format = `(FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x01')`;
    await db.run(`COPY (${sql}) TO ${quoteText(path)} ${format}`);
  } else {
    await db.writeJson(sql, columns, path);
  }
  return columns;
}
