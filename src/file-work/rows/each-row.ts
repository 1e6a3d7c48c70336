import type { ShardLines } from '../../core/shard-plan.ts';
import { readLines, type FileLine } from '../../files/read-lines.ts';
import { ResultRowReader, type ReadRow } from '../../openai/rows/read-result-row.ts';

/** Rows longer than this are not read as rows: no answer of the API comes near. */
const MAX_ROW_BYTES = 512 << 20;

/** A row of a line of a shard, and where it stands; one object serves all rows of a file. */
export interface ShardRow {
  /** Place of the line in the shard, from 0. */
  position: number;
  row: ReadRow;
  cut: FileLine;
  /** The bytes that the line was cut out of. */
  block: Buffer;
}

/** Calls `onRow` for each row of a raw file that belongs to a line of the shard; what it is given is valid during the call only. */
export function eachRow(lines: ShardLines, path: string, onRow: (found: Readonly<ShardRow>) => void): void {
  const reader = new ResultRowReader();
  let found: ShardRow | null = null;
  readLines(path, MAX_ROW_BYTES, (block, cut) => {
    if (cut.overlong) return;
    reader.readLine(block, cut.start, cut.end, cut.utf8, (row) => {
      const position = row.line === null ? -1 : lines.positionOf(row.line);
      if (position === -1) return;
      found ??= { position, row, cut, block };
      found.position = position;
      found.row = row;
      found.cut = cut;
      found.block = block;
      onRow(found);
    });
  });
}
