import { readLines, type AroundRead } from '../files/read-lines.ts';
import type { InputReader } from './input-reader.ts';

/** A JSONL file as an input: a row is a line. `around` wraps each read of the file. */
export function jsonlInput(path: string, around?: AroundRead): InputReader {
  return {
    read: ({ maxRowBytes, onRow, onBytes }) => readLines(path, maxRowBytes, onRow, { onBytes, around }),
  };
}
