import { kindOf } from '../../duckdb/error-kind.ts';
import { join } from 'node:path';
import { csvQuery } from './csv-query.ts';
import type { Table } from './write-table-rows.ts';
import { DuckDb } from '../../duckdb/duckdb.ts';
import { translateDuckDbError } from './duckdb-error.ts';
import { unreadableFile } from './expand-paths.ts';
import { jsonQuery } from './json-query.ts';
import { parquetQuery } from './parquet-query.ts';
import { tableError, type TablePlace } from './table-error.ts';
import { compressionOf, TableFormat } from './table-format.ts';
import type { TableFile, ToQuery } from './table-query.ts';
import { cannotBeUnpacked, unpackFile } from './unpack-file.ts';
import { isWholeZstd } from './whole-zstd.ts';

const queries: Readonly<Record<TableFormat, ToQuery>> = {
  [TableFormat.Csv]: csvQuery(null),
  [TableFormat.Tsv]: csvQuery('\t'),
  [TableFormat.Json]: jsonQuery('auto'),
  [TableFormat.JsonLines]: jsonQuery('newline_delimited'),
  [TableFormat.Parquet]: parquetQuery,
};

/** Files of one format as one table; those that have to be unpacked first are unpacked to `folder`. */
export async function tableOfFiles(
  files: readonly TableFile[],
  format: TableFormat,
  folder: string,
): Promise<Table> {
  const read = await prepareAll(files, format, folder);
  const names = new Map(read.map(({ path, name }) => [path, name]));
  const nameOf = (path?: string): string =>
    path === undefined ? nameOfAll(files) : (names.get(path) ?? path);
  const onlyPath = read.length === 1 ? read[0]!.path : undefined;
  return {
    query: async (db, effort) => await queries[format](db, read, effort),
    translate: (error) => {
      const kind = kindOf(error);
      if (kind === null) return error;
      const known = translateDuckDbError(error as Error, { nameOf, onlyPath });
      const reason = `cannot be read as ${format} (${kind} Error)`;
      return known ?? tableError({ source: nameOf(onlyPath) }, reason, 'check its format');
    },
    placeOf: async (row) => await placeIn(read, queries[format], folder, row),
  };
}

/** The file and row of a row of all files together. The files are counted again, so this is for errors only. */
async function placeIn(
  files: readonly TableFile[],
  toQuery: ToQuery,
  folder: string,
  row: number,
): Promise<TablePlace> {
  if (files.length === 1) return { source: files[0]!.name, row };
  const db = await DuckDb.open(folder, 'large');
  try {
    let before = 0;
    for (const file of files) {
      const { sql } = await toQuery(db, [file], 'large');
      const [[count] = []] = await db.run(`SELECT count(*) FROM (${sql})`);
      if (row <= before + Number(count)) return { source: file.name, row: row - before };
      before += Number(count);
    }
    return { source: nameOfAll(files), row };
  } finally {
    db.close();
  }
}

/** What messages call files together: `reviews/a.csv and 11 more`. */
export function nameOfAll([first, ...others]: readonly TableFile[]): string {
  if (others.length === 0) return first!.name;
  return `${first!.name} and ${others.length} more`;
}

/** Files as DuckDB can read them. It does not notice that a compressed file is cut off. */
async function prepareAll(
  files: readonly TableFile[],
  format: TableFormat,
  folder: string,
): Promise<TableFile[]> {
  const prepared: TableFile[] = [];
  for (const [i, file] of files.entries()) {
    const compression = compressionOf(file.path);
    if (compression === 'none') {
      prepared.push(file);
    } else if (compression === 'zstd' && format !== TableFormat.Parquet) {
      if (!(await isWhole(file))) throw cannotBeUnpacked(file.name);
      prepared.push(file);
    } else {
      const path = join(folder, `${i}.${format}`);
      await unpackFile(file.path, compression, path, file.name);
      prepared.push({ path, name: file.name });
    }
  }
  return prepared;
}

async function isWhole({ path, name }: TableFile): Promise<boolean> {
  try {
    return await isWholeZstd(path);
  } catch (error) {
    throw unreadableFile(name, error);
  }
}
