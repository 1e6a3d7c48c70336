import type { DuckDb, Effort, QueryColumn } from '../../duckdb/duckdb.ts';

/** A file of a table. */
export interface TableFile {
  readonly path: string;
  /** What messages call it. */
  readonly name: string;
}

/** How DuckDB reads the rows of a source. */
export interface TableQuery {
  readonly sql: string;
  /** Null when each row is the text of a JSON object, whose members are the columns. */
  readonly columns: readonly QueryColumn[] | null;
}

/** Makes the query that reads files of one format. */
export type ToQuery = (db: DuckDb, files: readonly TableFile[], effort: Effort) => Promise<TableQuery>;
