import { cutLines, type AroundRead } from '../files/cut-lines.ts';
import type { InputReader } from './input-reader.ts';

/** A JSONL file as an input: a row is a line. Each read of the file is made by `around`. */
export function jsonlInput(path: string, around?: AroundRead): InputReader {
  return {
    read: ({ maxRowBytes, onRow, onBytes }) => cutLines(path, maxRowBytes, onRow, { onBytes, around }),
  };
}
