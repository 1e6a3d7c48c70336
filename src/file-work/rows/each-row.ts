import type { ShardLines } from '../../core/shard-plan.ts';
import { readLines, type FileLine } from '../../files/read-lines.ts';
import { ResultRowReader, type ReadRow } from '../../openai/rows/read-result-row.ts';

/** Longer rows are skipped: no answer of the API comes near this length. */
const MAX_ROW_BYTES = 512 << 20;

/** A row of a line of a shard, and its location; one object is reused for all rows of a file. */
export interface ShardRow {
  /** Index of the line in the shard, from 0. */
  position: number;
  row: ReadRow;
  fileLine: FileLine;
  /** The block that contains the line's bytes. */
  block: Buffer;
}

/**
 * Calls `onRow` for each row of a raw file that belongs to a line of the shard; its argument is valid only during the call.
 * `findsTexts`: whether the rows have the positions of their texts.
 */
export function eachRow(
  lines: ShardLines,
  path: string,
  onRow: (found: Readonly<ShardRow>) => void,
  findsTexts: boolean = false,
): void {
  const reader = new ResultRowReader(findsTexts);
  let found: ShardRow | null = null;
  readLines(path, MAX_ROW_BYTES, (block, fileLine) => {
    if (fileLine.overlong) return;
    reader.readLine(block, fileLine.start, fileLine.end, fileLine.utf8, (row) => {
      const position = row.line === null ? -1 : lines.positionOf(row.line);
      if (position === -1) return;
      found ??= { position, row, fileLine, block };
      found.position = position;
      found.row = row;
      found.fileLine = fileLine;
      found.block = block;
      onRow(found);
    });
  });
}
