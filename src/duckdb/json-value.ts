import type { DuckDBType } from '@duckdb/node-api';
import type { DuckDbPackage } from './load-duckdb.ts';
import { quoteName, quoteText } from './sql-text.ts';

/**
 * Returns an expression of SQL for a value whose JSON is valid and short, where DuckDB's own is not: a number that JSON cannot have (NaN)
 * becomes null, a number of single precision has no more digits than it needs, and bytes are base64.
 */
export function toJsonValue(duckDb: DuckDbPackage, value: string, type: DuckDBType, depth = 0): string {
  const { DuckDBTypeId: id } = duckDb;
  const { typeId } = type;
  if (typeId === id.DOUBLE) return `CASE WHEN isfinite(${value}) THEN ${value} END`;
  if (typeId === id.FLOAT) return `CASE WHEN isfinite(${value}) THEN ${value}::VARCHAR::DOUBLE END`;
  if (typeId === id.BLOB) return `base64(${value})`;

  const item = `v${depth}`;
  const inner = (expression: string, of: DuckDBType): string =>
    toJsonValue(duckDb, expression, of, depth + 1);
  if (typeId === id.LIST || typeId === id.ARRAY) {
    const json = inner(item, type.valueType);
    return json === item ? value : `list_transform(${value}, lambda ${item}: ${json})`;
  }
  if (typeId === id.MAP) {
    const json = inner(`${item}.value`, type.valueType);
    if (json === `${item}.value`) return value;
    const entry = `{'key': ${item}.key, 'value': ${json}}`;
    return `map_from_entries(list_transform(map_entries(${value}), lambda ${item}: ${entry}))`;
  }
  if (typeId === id.STRUCT) {
    const members = type.entryNames.map((name) => `${value}[${quoteText(name)}]`);
    const json = members.map((member, i) => inner(member, type.entryTypes[i]!));
    if (json.every((expression, i) => expression === members[i])) return value;
    const packed = json.map((expression, i) => `${quoteName(type.entryNames[i]!)} := ${expression}`);
    return `CASE WHEN ${value} IS NOT NULL THEN struct_pack(${packed.join(', ')}) END`;
  }
  return value;
}
