import { inputFiles } from './job-files.ts';
import { claimRecord, readRecord, type Store } from './store.ts';

/** A column of rows. */
export interface Column {
  readonly name: string;
  /** Its type in DuckDB, such as `VARCHAR`, `BIGINT` or `FLOAT[]`. */
  readonly type: string;
}

/** What is known of the rows of an input: the record beside them. */
export interface StoredColumns {
  readonly v: 1;
  /** What messages call the source. */
  readonly source: string;
  /** Their number. */
  readonly rows: number;
  readonly columns: readonly Column[];
}

/** Records the columns of rows, before the rows are written: whoever finds the rows finds both. */
export async function keepColumns(store: Store, sha256: string, record: StoredColumns): Promise<void> {
  await claimRecord(store, inputFiles.columns(sha256), record);
}

/** The columns of the rows of an input; null when the store does not have them. */
export async function readColumns(store: Store, sha256: string): Promise<StoredColumns | null> {
  return await readRecord<StoredColumns>(store, inputFiles.columns(sha256));
}
