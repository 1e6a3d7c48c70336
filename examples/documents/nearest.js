// The documents that are nearest to one: node examples/documents/nearest.js VECTORS.parquet PATH
import { argv, exit } from 'node:process';
import { DuckDBInstance } from '@duckdb/node-api';

const [, , vectors, path] = argv;
if (path === undefined) {
  console.error('Usage: node nearest.js VECTORS.parquet PATH');
  exit(2);
}

const connection = await (await DuckDBInstance.create()).connect();
const nearest = await connection.runAndReadAll(
  `WITH chunks AS (FROM read_parquet($vectors) WHERE status = 'answered')
   SELECT format('{:.3f}  {}', max(list_cosine_similarity(other.embedding, own.embedding)), other.path) AS line
   FROM chunks AS own JOIN chunks AS other ON other.path <> own.path
   WHERE own.path = $path
   GROUP BY other.path
   ORDER BY max(list_cosine_similarity(other.embedding, own.embedding)) DESC, other.path
   LIMIT 5`,
  { vectors, path },
);
const rows = nearest.getRowsJS();
if (rows.length === 0) {
  console.error(`${vectors} has no vectors of ${path}, or of no other document.`);
  exit(1);
}
for (const [line] of rows) console.log(line);
