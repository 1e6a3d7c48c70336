import { MAX_BATCH_BYTES } from '../../core/limits.ts';
import { unreadableDocument } from '../../core/unreadable-document.ts';
import type { InputReader, InputReading, InputRow } from '../../input/input-reader.ts';
import type { Renderer } from '../../render/compile-template.ts';
import { trimRow } from './trim-row.ts';

/**
 * Rows as an input of request lines: row `n` is line `n`, and a row that cannot be rendered is a line with a fault. `onBytes` gets the
 * bytes of the rows, of which the job has the fingerprint. Memory is that of the reader of the rows, and one line.
 */
export function renderedInput(rows: InputReader, renderer: Renderer): InputReader {
  return {
    read: (reading) =>
      // A row may be longer than its line, which may leave out columns.
      rows.read({ ...reading, maxRowBytes: MAX_BATCH_BYTES, onRow: rendering(renderer, reading) }),
  };
}

/** Passes each row on as a block of its own. */
function rendering(renderer: Renderer, { maxRowBytes, onRow }: InputReading): InputReading['onRow'] {
  const { line } = renderer;
  const rendered: InputRow = {
    number: 0,
    start: 0,
    end: 0,
    blockEnd: 0,
    utf8: true,
    overlong: false,
    fault: null,
  };
  return (block, row) => {
    const { start, end } = trimRow(block, row);
    rendered.number = row.number;
    rendered.utf8 = row.utf8;
    rendered.overlong = row.overlong;
    rendered.fault = null;
    if (!row.utf8 || row.overlong || start === end) {
      rendered.end = rendered.blockEnd = end - start;
      onRow(block.subarray(start, end), rendered);
      return;
    }
    // Rendered all the same, for the `custom_id`.
    const fault = renderer.render(block, start, end);
    rendered.fault = unreadableDocument(block.subarray(start, end)) ?? fault;
    rendered.end = rendered.blockEnd = line.length;
    rendered.overlong = line.length > maxRowBytes;
    onRow(line.bytes, rendered);
  };
}
