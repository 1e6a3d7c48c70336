import { quoteName } from '../../duckdb/sql-text.ts';
import type { Column } from '../../store/stored-columns.ts';

/*
 * The rows of an input are JSON. Most types of DuckDB are read from there as they were written.
 */

/** Texts in quotes, which may contain anything, and the names of types that JSON cannot give back. */
const UNREADABLE = /"(?:[^"]|"")*"|'(?:[^']|'')*'|\b(BLOB|BIT|BIGNUM)\b|\bDECIMAL\((\d+),\d+\)/g;

/** Digits that a number of JSON keeps: it is read as a DOUBLE. */
const MOST_DIGITS = 15;

/** The type as which a column is read from its JSON: bytes are base64, and long decimals are numbers of double precision. */
export function jsonTypeOf(type: string): string {
  return type.replaceAll(UNREADABLE, (match: string, name?: string, digits?: string) => {
    if (name !== undefined) return name === 'BIGNUM' ? 'DOUBLE' : 'VARCHAR';
    return digits !== undefined && Number(digits) > MOST_DIGITS ? 'DOUBLE' : match;
  });
}

/** The value of a column that was read with `jsonTypeOf`. */
export function columnValue({ name, type }: Column, table: string): string {
  const value = `${table}.${quoteName(name)}`;
  return type === 'BLOB' ? `from_base64(${value})` : value;
}
