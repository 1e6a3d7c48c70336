import { MAX_BATCH_BYTES } from '../../core/limits.ts';
import type { DuckDb, Effort } from '../../duckdb/duckdb.ts';
import { literalPath, quoteName, quoteText } from '../../duckdb/sql-text.ts';
import { withDuckDb } from '../../duckdb/with-duckdb.ts';
import type { Column } from '../../store/stored-columns.ts';
import type { OutputTable } from '../output-format.ts';
import { answerTypes, lineColumns } from './answer-line.ts';
import type { AnswerLines } from './answer-lines.ts';
import { columnValue, jsonTypeOf } from './row-columns.ts';
import type { TablePlan } from './table-plan.ts';

/** Bytes of lines that become one row group of Parquet, which is in memory until it is written. */
const GROUP_BYTES = 32 << 20;

/** Rows of a group: DuckDB's own largest number, and the number of rows that it handles at a time. */
const MAX_GROUP_ROWS = 122_880;
const MIN_GROUP_ROWS = 2_048;

/** A table to write. */
export interface TableToWrite {
  readonly plan: TablePlan;
  /** File of the input's rows, if the plan has any of their columns. */
  readonly rows: { readonly path: string; readonly bytes: number } | null;
  readonly answers: AnswerLines;
  /** The path of the new file. */
  readonly path: string;
  readonly format: OutputTable;
}

/** Writes a table, in the order of its lines. `folder` is for files that exist only meanwhile. */
export async function writeTable(table: TableToWrite, folder: string): Promise<void> {
  const { answers, rows, path, format } = table;
  const bytes = answers.bytes + (rows?.bytes ?? 0);
  await withDuckDb(folder, async (db, effort) => {
    await db.writeTable(queryOf(table, effort), path, format, groupRows(bytes, answers.lines));
  });
}

/** Writes rows of an input with their columns and types. */
export async function writeRows(
  rows: { readonly path: string; readonly bytes: number; readonly rows: number },
  columns: readonly Column[],
  { path, format, folder }: { readonly path: string; readonly format: OutputTable; readonly folder: string },
): Promise<void> {
  await withDuckDb(folder, async (db: DuckDb, effort) => {
    const values = columns.map((column) => `${columnValue(column, 'r')} AS ${quoteName(column.name)}`);
    const sql = `SELECT ${values.join(', ')} FROM ${readRows(rows.path, columns, effort)} r`;
    await db.writeTable(sql, path, format, groupRows(rows.bytes, rows.rows));
  });
}

/**
 * Both files have the same number of lines in the same order. A positional join reads them in step, where any other join would keep rows in
 * memory and lose their order.
 */
function queryOf({ plan, rows, answers }: TableToWrite, effort: Effort): string {
  const { input, answer } = plan;
  const source = rows === null ? 'a' : 'r';
  const kept = input.map((column) => `${columnValue(column, source)} AS ${quoteName(column.name)}`);
  const lines = readLines(answers.path, { ...lineColumns, answer: answerTypes[answer.kind] }, effort);
  const from =
    rows === null ? `${lines} a` : `${readRows(rows.path, input, effort)} r POSITIONAL JOIN ${lines} a`;
  const own = 'a.status, a.error, a.input_tokens, a.output_tokens';
  if (answer.kind !== 'properties') {
    const column = quoteName(answer.columns[0].name);
    return `SELECT ${[...kept, `a.answer AS ${column}`, own].join(', ')} FROM ${from} WHERE a.status IS NOT NULL`;
  }
  const structure = Object.fromEntries(answer.columns.map(({ property, type }) => [property, type]));
  const parsed = `json_transform(a.answer, ${quoteText(JSON.stringify(structure))})`;
  const properties = answer.columns.map(
    ({ property, name }) => `${parsed}[${quoteText(property)}] AS ${quoteName(name)}`,
  );
  return `SELECT ${[...kept, ...properties, own].join(', ')} FROM ${from} WHERE a.status IS NOT NULL`;
}

function readRows(path: string, columns: readonly Column[], effort: Effort): string {
  const types = columns.map(({ name, type }) => [name, jsonTypeOf(type)] as const);
  return readLines(path, Object.fromEntries(types), effort);
}

function readLines(path: string, columns: Readonly<Record<string, string>>, effort: Effort): string {
  const types = Object.entries(columns).map(([name, type]) => `${quoteText(name)}: ${quoteText(type)}`);
  const size = effort === 'usual' ? '' : `, maximum_object_size = ${2 * MAX_BATCH_BYTES}`;
  return `read_json(${quoteText(literalPath(path))}, format = 'newline_delimited', columns = {${types.join(', ')}}${size})`;
}

function groupRows(bytes: number, rows: number): number {
  const fitting = Math.floor(GROUP_BYTES / (bytes / Math.max(rows, 1) + 1));
  return Math.max(MIN_GROUP_ROWS, Math.min(MAX_GROUP_ROWS, fitting));
}
