import { MAX_BATCH_BYTES } from '../../core/limits.ts';
import { assertDistinct } from './columns.ts';
import { parseCsvHeader, type CsvHeader } from './csv-header.ts';
import type { DuckDb, Effort } from '../../duckdb/duckdb.ts';
import { literalPath, quoteList, quoteName, quoteText } from '../../duckdb/sql-text.ts';
import { unreadableFile } from './expand-paths.ts';
import { mayHaveLongRows } from './long-rows.ts';
import { NeedsLargeEffort } from '../../duckdb/with-duckdb.ts';
import { noRows, tableError } from './table-error.ts';
import { compressionOf } from './table-format.ts';
import type { TableFile, ToQuery } from './table-query.ts';

/**
 * The query that reads CSV files with a header, without guessing: every value is the text that the file has, because a guess would
 * change it (`007`, `1.50`, `1/2/2026`) and fail at the first row that it does not fit. An empty value is null, and a quoted empty one
 * is the empty text.
 */
export function csvQuery(delimiter: string | null): ToQuery {
  return async (db, files, effort) => {
    const isOnly = files.length === 1;
    const header = await readHeader(db, files[0]!, delimiter, isOnly);
    for (const file of files.slice(1))
      assertSame(await readHeader(db, file, delimiter, isOnly), header, file, files[0]!);
    const columns = header.names.map((name) => `${quoteText(name)}: 'VARCHAR'`);
    const sql = `FROM read_csv(${quoteList(files.map(({ path }) => literalPath(path)))}, header = true, delim = ${quoteText(header.delimiter)}, quote = '"', escape = '"', allow_quoted_nulls = false, columns = {${columns.join(', ')}}, ${await strict(files, effort)})`;
    // A blank line of a table of one column is not a row, as in tables of several.
    const query = header.names.length === 1 ? `${sql} WHERE ${quoteName(header.names[0]!)} IS NOT NULL` : sql;
    return { sql: query, columns: await db.columnsOf(query) };
  };
}

/**
 * With usual effort, DuckDB takes 2 MB for the longest line, and its parallel reader silently leaves out some rows that are longer than a
 * buffer of 32 MB. The rows of a compressed file are not known, so that one is read by one thread.
 */
async function strict(files: readonly TableFile[], effort: Effort): Promise<string> {
  const options = 'auto_detect = false, strict_mode = true, null_padding = false';
  if (effort === 'large') return `${options}, parallel = false, max_line_size = ${MAX_BATCH_BYTES}`;
  if (files.some(({ path }) => compressionOf(path) !== 'none')) return `${options}, parallel = false`;
  for (const file of files) if (await isLong(file)) throw new NeedsLargeEffort();
  return options;
}

async function isLong({ path, name }: TableFile): Promise<boolean> {
  try {
    return await mayHaveLongRows(path);
  } catch (error) {
    throw unreadableFile(name, error);
  }
}

/** @throws BatchError; `NoRows` for an empty file that is the only one */
async function readHeader(
  db: DuckDb,
  file: TableFile,
  delimiter: string | null,
  isOnly: boolean,
): Promise<CsvHeader> {
  const place = { source: file.name };
  const line = await readFirstLine(db, file);
  if (line === undefined) {
    const [reason, advice] = ['is empty', 'write a header and rows'] as const;
    throw isOnly ? noRows(file.name, reason, advice) : tableError(place, reason, advice);
  }
  if (line === null) throw tableError(place, 'begins with a blank line', 'begin with the header');
  const header = parseCsvHeader(line, delimiter);
  if (header === null)
    throw tableError(place, 'has a column name with a line break', 'write the header on one line');
  assertDistinct(header.names, file.name);
  return header;
}

async function readFirstLine(db: DuckDb, file: TableFile): Promise<string | null | undefined> {
  const read = async (more: string): Promise<string | null | undefined> => {
    const lines = `header = false, delim = '\x01', quote = '', escape = '', columns = {line: 'VARCHAR'}`;
    const [[line] = []] = await db.run(
      `FROM read_csv(${quoteText(literalPath(file.path))}, ${lines}, auto_detect = false, strict_mode = false${more}) LIMIT 1`,
    );
    return line;
  };
  try {
    return await read('');
  } catch (error) {
    // A fault of a later line is found again by the read of the rows, which knows their numbers.
    if (!/CSV Error on Line: (?!1\n)/.test((error as Error).message)) throw error;
    return await read(', ignore_errors = true');
  }
}

function assertSame(header: CsvHeader, expected: CsvHeader, file: TableFile, first: TableFile): void {
  const most = Math.max(header.names.length, expected.names.length);
  for (let i = 0; i < most; i += 1) {
    const [name, wanted] = [header.names[i], expected.names[i]];
    if (name === wanted) continue;
    const place = { source: file.name, column: name ?? wanted! };
    throw tableError(
      place,
      `differs from the header of ${first.name}`,
      'write the same header into all files',
    );
  }
  if (header.delimiter !== expected.delimiter) {
    const reason = `has another delimiter than ${first.name}`;
    throw tableError({ source: file.name }, reason, 'write all files with the same delimiter');
  }
}
