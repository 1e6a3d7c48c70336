import type { DuckDBType } from '@duckdb/node-api';
import { toJsonValue } from './json-value.ts';
import type { DuckDbPackage } from './load-duckdb.ts';

/** Returns an expression of SQL for a value in CSV: JSON for lists, structs and maps, and base64 for bytes. */
export function toCsvValue(duckDb: DuckDbPackage, value: string, type: DuckDBType): string {
  const { DuckDBTypeId: id } = duckDb;
  const { typeId } = type;
  const isNested = [id.LIST, id.ARRAY, id.STRUCT, id.MAP, id.UNION].some((nested) => nested === typeId);
  if (isNested) return `to_json(${toJsonValue(duckDb, value, type)})::VARCHAR`;
  return typeId === id.BLOB ? `base64(${value})` : value;
}

/** Returns an expression of SQL for a value in Parquet, for which DuckDB would make a DOUBLE of an integer of more than 64 bits. */
export function toParquetValue(duckDb: DuckDbPackage, value: string, type: DuckDBType): string {
  const { DuckDBTypeId: id } = duckDb;
  const isHuge = type.typeId === id.HUGEINT || type.typeId === id.UHUGEINT;
  return isHuge ? `${value}::DECIMAL(38, 0)` : value;
}
