import { kindOf } from '../../duckdb/error-kind.ts';
import { assertDistinct } from './columns.ts';
import type { DuckDb } from '../../duckdb/duckdb.ts';
import { translateDuckDbError } from './duckdb-error.ts';
import { isDiskFull, storeFull } from './store-error.ts';
import { noRows, tableError } from './table-error.ts';
import type { TableQuery } from './table-query.ts';

/** What messages call a query. */
export const QUERY = 'the query';

/**
 * Checks that a text is one SELECT statement.
 * @throws BatchError `bad_input`
 */
export async function selectQuery(db: DuckDb, sql: string): Promise<TableQuery> {
  const columns = await db.columnsOf(sql);
  if (columns === null)
    throw tableError({ source: QUERY }, 'is not a SELECT statement without parameters', 'write one');
  assertDistinct(
    columns.map(({ name }) => name),
    QUERY,
  );
  return { sql: sql.replace(/[\s;]+$/, ''), columns };
}

/** Kinds of errors whose messages are about the text of a query, and not about values of rows. */
const aboutText: ReadonlySet<string> = new Set(['Parser', 'Binder', 'Catalog', 'IO', 'Permission', 'HTTP']);

/** Translates an error of a query. Messages that may quote a value are not taken over. */
export function translateQueryError(error: unknown): unknown {
  const kind = kindOf(error);
  if (kind === null) return error;
  const place = { source: QUERY };
  const { message } = error as Error;
  if (isDiskFull(error as Error)) return storeFull();
  if (/^[^\n]*?: (?:Cannot prepare multiple statements|No statement to prepare)/.test(message))
    return tableError(place, 'is not one statement', 'write one SELECT statement');
  if (aboutText.has(kind)) {
    const [reason = ''] = message.split(/\n\s*\n/);
    const said = reason.replaceAll(/\s*\n\s*/g, ' ').replace(/[.!]$/, '');
    const isEmpty = kind === 'IO' && /^[^\n]*?: No files found that match the pattern/.test(message);
    return isEmpty
      ? noRows(QUERY, `fails (${said})`, 'correct it')
      : tableError(place, `fails (${said})`, 'correct it');
  }
  const known = translateDuckDbError(error as Error, { nameOf: (path) => path ?? QUERY });
  return known ?? tableError(place, `fails at a value (${kind} Error)`, 'run it in DuckDB to see the value');
}
