import { MAX_BATCH_BYTES } from '../../core/limits.ts';
import { assertDistinct } from './columns.ts';
import { parseCsvHeader, type CsvHeader } from './csv-header.ts';
import type { DuckDb, Effort } from '../../duckdb/duckdb.ts';
import { literalPath, quoteList, quoteName, quoteText } from '../../duckdb/sql-text.ts';
import { noRows, tableError } from './table-error.ts';
import type { TableFile, ToQuery } from './table-query.ts';

/**
 * The query that reads CSV files with a header, without guessing: every value is the text that the file has, because a guess would
 * change it (`007`, `1.50`, `1/2/2026`) and fail at the first row that it does not fit. An empty value is null, and a quoted empty one
 * is the empty text.
 */
export function csvQuery(delimiter: string | null): ToQuery {
  return async (db, files, effort) => {
    const header = await readHeader(db, files[0]!, delimiter);
    for (const file of files.slice(1))
      assertSame(await readHeader(db, file, delimiter), header, file, files[0]!);
    const columns = header.names.map((name) => `${quoteText(name)}: 'VARCHAR'`);
    const sql = `FROM read_csv(${quoteList(files.map(({ path }) => literalPath(path)))}, header = true, delim = ${quoteText(header.delimiter)}, quote = '"', escape = '"', allow_quoted_nulls = false, columns = {${columns.join(', ')}}, ${strict(effort)})`;
    // A blank line of a table of one column is not a row, as in tables of several.
    const query = header.names.length === 1 ? `${sql} WHERE ${quoteName(header.names[0]!)} IS NOT NULL` : sql;
    return { sql: query, columns: await db.columnsOf(query) };
  };
}

function strict(effort: Effort): string {
  // Without a guess, DuckDB takes 2 MB for the longest line, and buffers in proportion.
  const lines = effort === 'usual' ? '' : `, max_line_size = ${MAX_BATCH_BYTES}`;
  // The parallel reader silently leaves out the last row if it fills a buffer (32 MB), or begins in one and ends in another.
  return `auto_detect = false, strict_mode = true, null_padding = false, parallel = false${lines}`;
}

async function readHeader(db: DuckDb, file: TableFile, delimiter: string | null): Promise<CsvHeader> {
  const place = { source: file.name };
  const line = await readFirstLine(db, file);
  if (line === undefined) throw noRows(place.source, 'is empty', 'write a header and rows');
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
