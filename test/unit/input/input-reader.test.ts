import { writeFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import type { InputReader } from '../../../src/input/input-reader.ts';
import { jsonlInput } from '../../../src/input/jsonl-input.ts';
import { arrayInput } from '../../support/array-input.ts';
import { TempFolder } from '../../support/temp-folder.ts';

const folder = new TempFolder();
afterAll(() => folder[Symbol.dispose]());

function fileOf(rows: readonly (string | Uint8Array)[]): InputReader {
  const lines = rows.flatMap((row) => [Buffer.from(row), Buffer.from('\n')]);
  writeFileSync(folder.at('input.jsonl'), Buffer.concat(lines));
  return jsonlInput(folder.at('input.jsonl'));
}

interface ReportedRow {
  readonly number: number;
  readonly text: string | null;
}

/** Reads an input, whose rows are UTF-8. */
function rowsOf(input: InputReader, maxRowBytes = 1_000): ReportedRow[] {
  const reported: ReportedRow[] = [];
  let blockBytes = 0; // the end of the valid bytes of the block
  input.read({
    maxRowBytes,
    onRow(block, { number, start, end, blockEnd, utf8, overlong }) {
      if (start === 0) blockBytes = blockEnd;
      expect(utf8 || overlong).toBe(true);
      expect(overlong || (end <= blockBytes && blockEnd === blockBytes)).toBe(true);
      reported.push({ number, text: overlong ? null : block.toString('utf8', start, end) });
    },
  });
  return reported;
}

describe.each([
  ['a JSONL file', fileOf],
  ['an array', arrayInput],
])('%s as an input', (_, inputOf) => {
  test('has numbered rows, including blank ones', () => {
    const rows = ['{"a":1}', '', '{"é":"\u2028"}', ' '];
    expect(rowsOf(inputOf(rows))).toEqual(rows.map((text, i) => ({ number: i + 1, text })));
  });

  test('reports rows that are too long by their numbers', () => {
    expect(rowsOf(inputOf(['short', 'x'.repeat(20), 'short']), 10)).toEqual([
      { number: 1, text: 'short' },
      { number: 2, text: null },
      { number: 3, text: 'short' },
    ]);
  });

  test('reports rows that are not UTF-8', () => {
    const validities: boolean[] = [];
    const rows = [Buffer.from('good'), Buffer.from([0x22, 0xff, 0x22]), Buffer.from('good')];
    inputOf(rows).read({ maxRowBytes: 10, onRow: (_, { utf8 }) => void validities.push(utf8) });
    expect(validities).toEqual([true, false, true]);
  });

  test('can be read again from its start', () => {
    const input = inputOf(['one', 'two']);
    expect(rowsOf(input)).toEqual(rowsOf(input));
  });

  test('passes its bytes to onBytes before the rows that end in them', () => {
    const rows = ['one', 'two', 'three'];
    let bytes = '';
    inputOf(rows).read({
      maxRowBytes: 1_000,
      onRow: (block, { start, end }) => expect(bytes).toContain(block.toString('utf8', start, end)),
      onBytes: (piece) => void (bytes += Buffer.from(piece).toString()),
    });
    expect(bytes.replaceAll('\n', '')).toBe(rows.join(''));
  });
});
