import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { DuckDBConnection, DuckDBInstance, DuckDBType } from '@duckdb/node-api';
import { toJsonValue } from './json-value.ts';
import { toCsvValue, toParquetValue } from './table-value.ts';
import { loadDuckDb, type DuckDbPackage } from './load-duckdb.ts';
import { quoteName, quoteText } from './sql-text.ts';

/** A column of a query. */
export interface QueryColumn {
  readonly name: string;
  readonly type: DuckDBType;
}

/** How much memory a read may use. */
export type Effort =
  /** Some hundred MB for any number of rows of ordinary length. */
  | 'usual'
  /** One thread and most of the machine's memory: for rows of many MB, and for queries that need more than usual. */
  | 'large';

/** Each thread has buffers of its own, and the memory must not grow with the cores of the machine. */
const MAX_THREADS = 4;

/**
 * Rows that wait for their turn fill this, since they are written in order: with more, the peak grows with the number of rows, and the time
 * does not shrink.
 */
const USUAL_MEMORY = '200MB';

/** A database in memory, for one read. */
export class DuckDb {
  private readonly duckDb: DuckDbPackage;
  private readonly instance: DuckDBInstance;
  private readonly connection: DuckDBConnection;

  private constructor(duckDb: DuckDbPackage, instance: DuckDBInstance, connection: DuckDBConnection) {
    this.duckDb = duckDb;
    this.instance = instance;
    this.connection = connection;
  }

  /**
   * Opens a database that swaps to a folder.
   * @throws BatchError `bad_input` when DuckDB is not installed
   */
  static async open(folder: string, effort: Effort): Promise<DuckDb> {
    const duckDb = await loadDuckDb();
    const instance = await duckDb.DuckDBInstance.create(':memory:', {
      threads: String(effort === 'usual' ? Math.min(MAX_THREADS, availableParallelism()) : 1),
      temp_directory: join(folder, 'swap'),
      ...(effort === 'usual' ? { memory_limit: USUAL_MEMORY } : {}),
    });
    const opened = new DuckDb(duckDb, instance, await instance.connect());
    // The same table must give the same rows in every time zone.
    await opened.run("SET TimeZone = 'UTC'");
    return opened;
  }

  /** Runs a statement and returns its rows, as texts. */
  async run(sql: string): Promise<(string | null)[][]> {
    const reader = await this.connection.runAndReadAll(sql);
    return reader.getRowsJson() as (string | null)[][];
  }

  /** Returns the columns of a SELECT statement without running it; null for other statements and for those with parameters. */
  async columnsOf(sql: string): Promise<QueryColumn[] | null> {
    const statement = await this.connection.prepare(sql);
    try {
      if (statement.statementType !== this.duckDb.StatementType.SELECT || statement.parameterCount > 0)
        return null;
      return Array.from({ length: statement.columnCount }, (_, i) => ({
        name: statement.columnName(i),
        type: statement.columnType(i),
      }));
    } finally {
      statement.destroySync();
    }
  }

  /** Writes the rows of a query to a file as one JSON object per line, in order. */
  async writeJson(query: string, columns: readonly QueryColumn[], path: string): Promise<void> {
    const values = columns.map(({ name, type }) => {
      const value = quoteName(name);
      return `${toJsonValue(this.duckDb, value, type)} AS ${value}`;
    });
    // The line feed ends a comment at the end of the query.
    await this.run(
      `COPY (SELECT ${values.join(', ')} FROM (${query}\n)) TO ${quoteText(path)} (FORMAT json)`,
    );
  }

  /**
   * Writes the rows of a query to a file, in order. Values that CSV does not have (lists, structs, JSON) are JSON there, and integers that
   * Parquet does not have are decimals. `groupRows` is the number of rows that are in memory for Parquet.
   */
  async writeTable(
    query: string,
    path: string,
    format: 'jsonl' | 'csv' | 'parquet',
    groupRows: number,
  ): Promise<void> {
    const columns = (await this.columnsOf(query))!;
    if (format === 'jsonl') {
      await this.writeJson(query, columns, path);
      return;
    }
    const valueOf = format === 'csv' ? toCsvValue : toParquetValue;
    const values = columns.map(({ name, type }) => {
      const value = quoteName(name);
      return `${valueOf(this.duckDb, value, type)} AS ${value}`;
    });
    const options =
      format === 'csv' ? 'FORMAT csv, HEADER true' : `FORMAT parquet, ROW_GROUP_SIZE ${groupRows}`;
    await this.run(`COPY (SELECT ${values.join(', ')} FROM (${query})) TO ${quoteText(path)} (${options})`);
  }

  close(): void {
    this.connection.closeSync();
    this.instance.closeSync();
  }
}
