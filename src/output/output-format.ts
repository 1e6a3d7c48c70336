import { badFlag } from '../core/bad-option.ts';

/** The form of an output, by the ending of its path. */
export const OutputFormat = {
  /** `results.jsonl`, `report.json` and `report.html`. */
  Folder: 'folder',
  /** A table as one JSON object per row. */
  Jsonl: 'jsonl',
  /** A table with a header. */
  Csv: 'csv',
  /** A table. */
  Parquet: 'parquet',
  /** The vectors of embeddings as one matrix of 32-bit floats, for NumPy. */
  Npy: 'npy',
} as const;
export type OutputFormat = (typeof OutputFormat)[keyof typeof OutputFormat];

/** The forms of a table. */
export type OutputTable = 'jsonl' | 'csv' | 'parquet';

/** The form of an output. A path with another ending, or with a slash at its end, is a folder. */
export function outputFormatOf(path: string): OutputFormat {
  const [, ending] = /\.(jsonl|csv|parquet|npy)$/i.exec(path) ?? [];
  return ending === undefined ? OutputFormat.Folder : (ending.toLowerCase() as OutputFormat);
}

/** The form of a table; null for a folder and for a matrix. */
export function outputTableOf(path: string): OutputTable | null {
  const format = outputFormatOf(path);
  return format === OutputFormat.Folder || format === OutputFormat.Npy ? null : format;
}

/**
 * Checks that a path is that of a matrix.
 * @throws BatchError `bad_option`
 */
export function assertNpy(path: string): void {
  if (outputFormatOf(path) !== OutputFormat.Npy)
    throw badFlag('npy', `must be a file that ends in .npy, got "${path}"`);
}
