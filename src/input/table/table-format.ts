/** The formats of tables. */
export const TableFormat = {
  Csv: 'csv',
  Tsv: 'tsv',
  /** One array of objects, or objects one after another. */
  Json: 'json',
  /** One object per line. */
  JsonLines: 'jsonl',
  Parquet: 'parquet',
} as const;
export type TableFormat = (typeof TableFormat)[keyof typeof TableFormat];

/** How a file is compressed as a whole. */
export type Compression = 'none' | 'gzip' | 'zstd';

const formats: Readonly<Record<string, TableFormat>> = {
  csv: TableFormat.Csv,
  tsv: TableFormat.Tsv,
  tab: TableFormat.Tsv,
  json: TableFormat.Json,
  jsonl: TableFormat.JsonLines,
  ndjson: TableFormat.JsonLines,
  parquet: TableFormat.Parquet,
};

const compressions: Readonly<Record<string, Compression>> = { gz: 'gzip', zst: 'zstd' };

/** Returns the format of a table by the ending of its path, as in `reviews.csv.gz`; null for a document. */
export function tableFormatOf(path: string): TableFormat | null {
  const [, ending = ''] = /\.([a-z]+)(?:\.(?:gz|zst))?$/i.exec(path) ?? [];
  return formats[ending.toLowerCase()] ?? null;
}

/** Returns how a file is compressed by the ending of its path. */
export function compressionOf(path: string): Compression {
  const [, ending = ''] = /\.([a-z]+)$/i.exec(path) ?? [];
  return compressions[ending.toLowerCase()] ?? 'none';
}

/** Returns how bytes are compressed by the first four of them. */
export function detectCompression(start: Uint8Array): Compression {
  if (start[0] === 0x1f && start[1] === 0x8b) return 'gzip';
  return start[0] === 0x28 && start[1] === 0xb5 && start[2] === 0x2f && start[3] === 0xfd ? 'zstd' : 'none';
}
