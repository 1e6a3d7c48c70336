import { MAX_BATCH_BYTES } from '../../core/limits.ts';
import { literalPath, quoteList } from '../../duckdb/sql-text.ts';
import type { ToQuery } from './table-query.ts';

/**
 * The query that reads JSON objects as the texts that the files have: types that are guessed from some rows would change values and
 * lose members of other rows.
 */
export function jsonQuery(format: 'auto' | 'newline_delimited'): ToQuery {
  return async (_db, files, effort) => {
    const paths = quoteList(files.map(({ path }) => literalPath(path)));
    const size = effort === 'usual' ? '' : `, maximum_object_size = ${MAX_BATCH_BYTES}`;
    // Line breaks are between tokens: inside strings, JSON has them only as escapes.
    return {
      sql: `SELECT replace(replace(json::VARCHAR, chr(10), ' '), chr(13), ' ') FROM read_json_objects(${paths}, format = '${format}'${size})`,
      columns: null,
    };
  };
}
