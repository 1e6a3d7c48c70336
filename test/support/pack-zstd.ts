import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';

/** Packs a text whose lines are not empty with zstd, which Node 20 cannot do. `folder` is for a file in between. */
export async function packZstd(text: string, folder: string): Promise<Buffer> {
  const path = join(folder, `${randomUUID()}.zst`);
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  const format = `(FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x01', COMPRESSION zstd)`;
  await connection.run(`COPY (SELECT unnest(string_split($1, chr(10)))) TO '${path}' ${format}`, [
    text.replace(/\n$/, ''),
  ]);
  connection.closeSync();
  instance.closeSync();
  return readFileSync(path);
}
