import { DuckDb, type Effort, type QueryColumn } from './duckdb.ts';
import { needsLargeEffort } from './duckdb-error.ts';
import { quoteText } from './sql-text.ts';
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
export async function writeTable(
  table: Table,
  folder: string,
  path: string,
): Promise<readonly QueryColumn[] | null> {
  try {
    try {
      return await write(table, folder, path, 'usual');
    } catch (error) {
      if (!needsLargeEffort(error)) throw error;
      return await write(table, folder, path, 'large');
    }
  } catch (error) {
    throw table.translate(error);
  }
}

async function write(
  table: Table,
  folder: string,
  path: string,
  effort: Effort,
): Promise<readonly QueryColumn[] | null> {
  const db = await DuckDb.open(folder, effort);
  try {
    const { sql, columns } = await table.query(db, effort);
    if (columns === null) {
      // As CSV without quotes, each text is a line as it is.
      const format = `(FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x01')`;
      await db.run(`COPY (${sql}) TO ${quoteText(path)} ${format}`);
    } else {
      await db.writeJson(sql, columns, path);
    }
    return columns;
  } finally {
    db.close();
  }
}
