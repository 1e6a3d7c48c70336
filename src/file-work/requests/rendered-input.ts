import { isLineFault, RequestLineReader, type LineFault, type RequestLine } from '../../core/request-line.ts';
import { MAX_BATCH_BYTES } from '../../core/limits.ts';
import { unreadableDocument } from '../../core/unreadable-document.ts';
import type { InputReader, InputReading, InputRow } from '../../input/input-reader.ts';
import type { Renderer } from '../../render/compile-template.ts';
import { separatorGrowth } from './separators.ts';
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
    request: null,
  };
  const requests = new RenderedRequests(renderer);
  return (block, row) => {
    const { start, end } = trimRow(block, row);
    rendered.number = row.number;
    rendered.utf8 = row.utf8;
    rendered.overlong = row.overlong;
    rendered.fault = null;
    rendered.request = null;
    if (row.start === 0) requests.begin(block.subarray(0, row.blockEnd));
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
    if (rendered.fault === null) rendered.request = requests.last();
    onRow(line.bytes, rendered);
  };
}

/**
 * The requests of rendered lines. Their form is that of the template, and rows fill only texts, images and ids: so what the check of the first
 * line finds holds for all of them, and only the offsets of their parts differ.
 */
class RenderedRequests {
  private readonly renderer: Renderer;
  /** True if the rows of a block have raw separators. */
  private hasSeparators = false;
  private checked: RequestLine | LineFault | null = null;

  constructor(renderer: Renderer) {
    this.renderer = renderer;
  }

  /** Begins a block of rows. */
  begin(block: Buffer): void {
    this.hasSeparators = separatorGrowth(block) > 0;
  }

  /** The request of the line that was rendered last; null if the line has to be read. */
  last(): RequestLine | null {
    const { renderer, hasSeparators } = this;
    if (!renderer.hasOneForm) return null;
    const { line, idStart, idEnd, bodyStart, bodyEnd, addsWideText } = renderer;
    this.checked ??= new RequestLineReader({ model: null, endpoint: null }).read(line.bytes, 0, line.length);
    if (isLineFault(this.checked)) return null;
    const request = this.checked;
    request.idStart = idStart;
    request.idEnd = idEnd;
    request.bodyStart = bodyStart;
    request.bodyEnd = bodyEnd;
    request.escapeBytes =
      hasSeparators || addsWideText ? separatorGrowth(line.bytes.subarray(bodyStart, bodyEnd)) : 0;
    return request;
  }
}
