import { mkdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MAX_BATCH_BYTES } from '../../core/limits.ts';
import { inputFiles } from '../../store/job-files.ts';
import type { Store } from '../../store/store.ts';
import { keepColumns, type Column } from '../../store/stored-columns.ts';
import type { UnreadableDocument } from './documents.ts';
import { JsonColumns, type RowFault } from './json-columns.ts';
import { readRows, type RowsRead } from './read-rows.ts';
import { watchSource, type RowSource } from './row-source.ts';
import { translateStoreError } from './store-error.ts';
import { noRows, tableError } from './table-error.ts';
import { withWorkingFolder } from '../../files/working-folder.ts';
import { writeSource, type WrittenRows } from './write-source.ts';

/** Rows that are fixed in the store, under the key `inputFiles.rows(sha256)`. */
export interface MaterializedRows {
  readonly sha256: string;
  readonly bytes: number;
  readonly rows: number;
  readonly columns: readonly Column[];
  /** The name of their record, which `readColumns` takes. */
  readonly columnsId: string;
  /** What messages call the source: its path or glob, `standard input`, … */
  readonly source: string;
  /** Documents that cannot be read, whose rows have no text. */
  readonly unreadable: readonly UnreadableDocument[];
}

/**
 * Reads a source once and stores its rows as one JSON object per line, in the order of the source, under their hash. From then on, neither a
 * changed file nor a query that gives other rows the next time can affect a job.
 *
 * May be called again, also at the same time: each call writes to a folder of its own, and gives the finished file its key at once by a
 * rename. The same rows have the same key and are not written again.
 * @throws BatchError `bad_input`, `store_unavailable`; the error of an iterable of the source as it is
 */
export async function materializeRows(source: RowSource, store: Store): Promise<MaterializedRows> {
  await store.check();
  const ofSource = new Set<unknown>();
  try {
    return await writeRows(watchSource(source, ofSource), store);
  } catch (error) {
    throw ofSource.has(error) ? error : translateStoreError(error, store.locationOf('inputs'));
  }
}

async function writeRows(source: RowSource, store: Store): Promise<MaterializedRows> {
  return await store.withFiles(
    [],
    async (root) =>
      await withWorkingFolder(join(root, inputFiles.building), async (folder) => {
        const path = join(folder, 'rows.jsonl');
        const written = await writeSource(source, folder, path);
        const found = written.columns === null ? new JsonColumns() : null;
        const rows = await checkRows(path, written, found);
        if (rows.rows === 0)
          throw noRows(written.name, 'has no rows to send', 'check that it is the right one');
        const columns = written.columns ?? found!.columns();
        const record = { v: 1, rows: rows.rows, columns } as const;
        const columnsId = await keepColumns(store, rows.sha256, record);
        const key = inputFiles.rows(rows.sha256);
        if ((await store.size(key)) !== rows.bytes) {
          await mkdir(dirname(join(root, key)), { recursive: true });
          await rename(path, join(root, key));
        }
        return { ...rows, columns, columnsId, source: written.name, unreadable: written.unreadable };
      }),
  );
}

/** Reads the rows that were written: their hash, and their columns if the source does not give them. */
async function checkRows(path: string, written: WrittenRows, found: JsonColumns | null): Promise<RowsRead> {
  try {
    return await readRows(path, {
      maxRowBytes: MAX_BATCH_BYTES,
      onOverlong: (row) => {
        throw new BadRow(row, { reason: 'is longer than a batch may be', advice: 'shorten it' });
      },
      onRow: (block, start, end, row) => {
        const fault = found?.add(block, start, end) ?? null;
        if (fault !== null) throw new BadRow(row, fault);
      },
    });
  } catch (error) {
    if (!(error instanceof BadRow)) throw error;
    const { column, reason, advice } = error.fault;
    const place = await written.placeOf(error.row);
    throw tableError(column === undefined ? place : { ...place, column }, reason, advice);
  }
}

class BadRow extends Error {
  readonly row: number;
  readonly fault: RowFault;

  constructor(row: number, fault: RowFault) {
    super(fault.reason);
    this.row = row;
    this.fault = fault;
  }
}
