import type { ShardLines } from '../../core/shard-plan.ts';
import { readLines, type FileLine } from '../../files/read-lines.ts';
import { ResultRowReader, type ReadRow } from '../../openai/rows/read-result-row.ts';
import { eachPart, type FramedVector } from '../../openai/rows/shared-row.ts';
import type { ShardPacks } from '../records/shard-packs.ts';

/** Longer rows are skipped: no answer of the API comes near this length. */
const MAX_ROW_BYTES = 512 << 20;

/** A row of a line of a shard, and its location; one object is reused for all rows of a file. */
export interface ShardRow {
  /** Index of the line in the shard, from 0. */
  position: number;
  row: ReadRow;
  /** Set if the body of the row is one vector of an answer to several lines. */
  vector: FramedVector | null;
  fileLine: FileLine;
  /** The block that contains the line's bytes. */
  block: Buffer;
}

/** The lines of a shard, and their requests. */
export interface RequestedLines {
  readonly lines: ShardLines;
  readonly packs: ShardPacks;
}

/**
 * Calls `onRow` for each row of a raw file that belongs to a line of the shard, and for each line of a row that belongs to several; its
 * argument is valid only during the call.
 * `findsTexts`: whether the rows have the positions of their texts.
 */
export function eachRow(
  { lines, packs }: RequestedLines,
  path: string,
  onRow: (found: Readonly<ShardRow>) => void,
  findsTexts: boolean = false,
): void {
  const reader = new ResultRowReader(findsTexts, packs.isPacked);
  let found: ShardRow | null = null;
  readLines(path, MAX_ROW_BYTES, (block, fileLine) => {
    if (fileLine.overlong) return;
    reader.readLine(block, fileLine.start, fileLine.end, fileLine.utf8, (row) => {
      const first = row.line === null ? -1 : lines.positionOf(row.line);
      const weights = first === -1 ? null : packs.from(first);
      if (weights === null) return;
      const here = (found ??= { position: first, row, vector: null, fileLine, block });
      here.position = first;
      here.row = row;
      here.vector = null;
      here.fileLine = fileLine;
      here.block = block;
      if (weights.length === 1) {
        onRow(here);
        return;
      }
      eachPart(row, weights, (index, part, vector) => {
        here.position = first + index;
        here.row = part;
        here.vector = vector;
        onRow(here);
      });
    });
  });
}
