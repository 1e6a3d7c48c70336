import { createHash } from 'node:crypto';
import { inputFiles } from './job-files.ts';
import { claimRecord, readRecord, type Store } from './store.ts';

/** A column of rows. */
export interface Column {
  readonly name: string;
  /** Its type in DuckDB, such as `VARCHAR`, `BIGINT` or `FLOAT[]`. */
  readonly type: string;
}

/** What is known of the rows of an input: a record beside them. */
export interface StoredColumns {
  readonly v: 1;
  /** Their number. */
  readonly rows: number;
  readonly columns: readonly Column[];
}

/**
 * Records the columns of rows, before the rows are written: whoever finds the rows finds both. Returns the name of the record, which is made
 * of the columns: another source of the same bytes may have other types, such as CSV with dates as texts, and Parquet.
 */
export async function keepColumns(store: Store, sha256: string, record: StoredColumns): Promise<string> {
  const id = createHash('sha256').update(JSON.stringify(record.columns)).digest('hex').slice(0, 12);
  await claimRecord(store, inputFiles.columns(sha256, id), record);
  return id;
}

/** The columns of the rows of an input, by the name of their record; null when the store does not have them. */
export async function readColumns(store: Store, sha256: string, id: string): Promise<StoredColumns | null> {
  return await readRecord<StoredColumns>(store, inputFiles.columns(sha256, id));
}
