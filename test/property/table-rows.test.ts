import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { DuckDb } from '../../src/duckdb/duckdb.ts';
import { quoteText } from '../../src/duckdb/sql-text.ts';
import { rowsOf } from '../support/table-rows.ts';
import { TempFolder } from '../support/temp-folder.ts';

const folder = new TempFolder();
afterAll(() => folder[Symbol.dispose]());

type Row = Record<string, string | null>;

/** Names that differ in DuckDB, too. */
const names = fc.uniqueArray(
  fc.oneof(
    fc.stringMatching(/^[a-z][a-z0-9_ ]{0,8}[a-z]$/),
    fc.constantFrom('é', '名', "it's", 'a"b', 'a,b', 'select'),
  ),
  {
    minLength: 2,
    maxLength: 5,
  },
);
const value = fc.option(
  fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 20 }),
    fc.string({
      unit: fc.constantFrom('"', ',', ';', '\n', '\r', '\t', ' ', 'a', '\\', '\u2028', '\ufeff', '[', '0'),
      maxLength: 8,
    }),
    fc.constantFrom('007', '1.50', 'NULL', 'true', '2026-01-02', '1/2/2026', '[1]', '{}', ''),
  ),
);
const table = names.chain((columns) =>
  fc.array(
    fc
      .tuple(...columns.map(() => value))
      .map((values): Row => Object.fromEntries(columns.map((column, i) => [column, values[i]!]))),
    { minLength: 1, maxLength: 40 },
  ),
);
const layout = fc.record({
  delimiter: fc.constantFrom(',', ';', '\t', '|'),
  newline: fc.constantFrom('\n', '\r\n'),
  quoteAll: fc.boolean(),
  files: fc.integer({ min: 1, max: 3 }),
});

interface Layout {
  readonly delimiter: string;
  readonly newline: string;
  readonly quoteAll: boolean;
  readonly files: number;
}

function toCsv(
  columns: readonly string[],
  rows: readonly Row[],
  { delimiter, newline, quoteAll }: Layout,
): string {
  const field = (text: string | null): string => {
    if (text === null) return '';
    if (!quoteAll && /^[^",;|\t\n\r]+$/.test(text)) return text;
    return `"${text.replaceAll('"', '""')}"`;
  };
  const lines = [columns.map(field), ...rows.map((row) => columns.map((column) => field(row[column]!)))];
  return lines.map((line) => line.join(delimiter) + newline).join('');
}

/** The rows in as many parts, none of them empty. */
function split(rows: readonly Row[], count: number): Row[][] {
  const size = Math.ceil(rows.length / count);
  return Array.from({ length: Math.ceil(rows.length / size) }, (_, i) =>
    rows.slice(i * size, (i + 1) * size),
  );
}

test('tables as CSV, JSON lines, JSON and Parquet give the same rows in order', async () => {
  await fc.assert(
    fc.asyncProperty(table, layout, async (rows, options) => {
      const columns = Object.keys(rows[0]!);
      const parts = split(rows, options.files);
      const read = async (
        ending: string,
        write: (part: readonly Row[], path: string) => Promise<void> | void,
      ): Promise<unknown> => {
        const paths = parts.map((_, i) => folder.at(`${i}.${ending}`));
        for (const [i, part] of parts.entries()) await write(part, paths[i]!);
        return await rowsOf({ kind: 'paths', paths });
      };
      expect(await read('csv', (part, path) => writeFileSync(path, toCsv(columns, part, options)))).toEqual(
        rows,
      );
      expect(
        await read('csv.gz', (part, path) => writeFileSync(path, gzipSync(toCsv(columns, part, options)))),
      ).toEqual(rows);
      const jsonl = (part: readonly Row[]): string =>
        part.map((row) => JSON.stringify(row) + options.newline).join('');
      expect(await read('jsonl', (part, path) => writeFileSync(path, jsonl(part)))).toEqual(rows);
      expect(await read('json', (part, path) => writeFileSync(path, JSON.stringify(part, null, 2)))).toEqual(
        rows,
      );
      expect(await read('parquet', async (part, path) => await toParquet(part, path))).toEqual(rows);
      expect(await rowsOf({ kind: 'objects', objects: rows })).toEqual(rows);
    }),
    { numRuns: 20 },
  );
});

async function toParquet(rows: readonly Row[], path: string): Promise<void> {
  const db = await DuckDb.open(folder.path, 'usual');
  const literal = (text: string | null): string => (text === null ? 'NULL::VARCHAR' : quoteText(text));
  const selects = rows.map((row, i) => {
    const values = Object.entries(row).map(
      ([name, text]) => `${literal(text)} AS "${name.replaceAll('"', '""')}"`,
    );
    return `SELECT ${i} AS "row number", ${values.join(', ')}`;
  });
  const sql = `SELECT * EXCLUDE ("row number") FROM (${selects.join(' UNION ALL ')}) ORDER BY "row number"`;
  await db.run(`COPY (${sql}) TO ${quoteText(path)} (FORMAT parquet)`);
  db.close();
}
