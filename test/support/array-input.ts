import { isUtf8 } from 'node:buffer';
import type { InputReader, InputReading } from '../../src/input/input-reader.ts';

/** An input in memory, one row per element: a second kind of input besides JSONL files. */
export function arrayInput(rows: readonly (string | Uint8Array)[]): InputReader {
  return {
    read({ maxRowBytes, onRow, onBytes }: InputReading): void {
      for (const [i, row] of rows.entries()) {
        const block = Buffer.from(row);
        onBytes?.(block);
        onRow(block, {
          number: i + 1,
          start: 0,
          end: block.length,
          blockEnd: block.length,
          utf8: isUtf8(block),
          overlong: block.length > maxRowBytes,
        });
      }
    },
  };
}
