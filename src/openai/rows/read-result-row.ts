import { NOT_JSON } from '../../core/json-scan.ts';
import { isPlainCode } from '../../core/plain-code.ts';
import { repairJson } from '../../core/repair-json.ts';
import type { UsageReader } from './read-usage.ts';
import { findBrokenRow, lineInBytes, numberIn, skipFrame } from './row-bytes.ts';
import type { RowFacts } from './row-meaning.ts';
import { RowParts, type Span } from './row-parts.ts';

/** A row of an output or error file, as far as it matters; reused from row to row. */
export interface ReadRow extends RowFacts {
  /** The line's number, from `custom_id`; null when the row names no line of ours. */
  line: number | null;
  statusCode: number | null;
  errorCode: string | null;
  errorMessage: string | null;
  bodyIsAnswer: boolean;
  isReadable: boolean;
  /** What holds the body: the file's block, or bytes of their own where the body does not stand in the file as strict JSON. */
  source: Buffer;
  /** Where the body stands in `source`. */
  bodyStart: number;
  bodyEnd: number;
  readonly usage: UsageReader;
}

const QUOTE = 0x22;
const OPEN_BRACE = 0x7b;
const NULL = 0x6e;

/** A longer row is not repaired: it would not fit a string. */
const MAX_REPAIRED_BYTES = 64 << 20;

/** Longer messages are cut: the index of a shard holds them until its rows are written. */
const MAX_MESSAGE_LENGTH = 10_000;

/**
 * Reads rows by scanning: an answer's bytes stay where they are.
 * Rows that are no strict JSON or no UTF-8 are repaired where that is possible.
 */
export class ResultRowReader {
  private readonly parts = new RowParts();
  private readonly decoder = new TextDecoder();
  private readonly row: ReadRow = {
    line: null,
    statusCode: null,
    errorCode: null,
    errorMessage: null,
    bodyIsAnswer: false,
    isReadable: true,
    source: this.parts.source,
    bodyStart: 0,
    bodyEnd: 0,
    usage: this.parts.usage,
  };

  /**
   * Calls `onRow` for each row in a line of a file: one, or several where a server writes no line feeds between them.
   * The row is valid during the call only. Calls it with a row that is not readable where no more than the line's
   * number can be told, and not at all for bytes that are no row.
   */
  readLine(block: Buffer, start: number, end: number, isUtf8: boolean, onRow: (row: ReadRow) => void): void {
    let isRepaired = false;
    let at = skipFrame(block, start, end);
    while (at < end && block[at] === OPEN_BRACE) {
      const close = isUtf8 ? this.parts.scanRow(block, at, end) : NOT_JSON;
      if (close !== NOT_JSON) {
        this.understand();
        onRow(this.row);
        at = skipFrame(block, close, end);
        continue;
      }
      const repaired: Buffer | null = isRepaired ? null : this.repair(block, at, end, isUtf8);
      if (repaired !== null) {
        [block, at, end, isUtf8, isRepaired] = [repaired, 0, repaired.length, true, true];
        continue;
      }
      const broken = findBrokenRow(block, at, end);
      if (broken.line !== null) onRow(this.unreadable(block, broken.line));
      at = skipFrame(block, broken.end, end);
    }
  }

  /** Judges the parts that the scan has found. */
  private understand(): void {
    const { row, parts } = this;
    const { spans } = parts;
    row.line = this.lineIn(spans.customId);
    row.isReadable = true;
    row.errorCode = row.errorMessage = null;
    const rowError = this.errorIn(spans.error);
    const status = this.statusIn(spans.status);
    if (spans.body[1] > 0 && this.parts.source[spans.body[0]] === QUOTE) this.unwrapBody();
    row.source = this.parts.source;
    row.bodyStart = spans.body[0];
    row.bodyEnd = spans.body[1];
    const hasBody = spans.body[1] > 0 && this.parts.source[row.bodyStart] === OPEN_BRACE;
    const error = rowError ?? this.errorIn(spans.bodyError);
    // A body without a status is an answer: the request ran.
    row.statusCode = status ?? (hasBody && error === null ? 200 : null);
    // A Responses object may fail inside a 200 row.
    const failed = this.isText(spans.bodyStatus, 'failed') && this.isText(spans.bodyObject, 'response');
    row.bodyIsAnswer = hasBody && error === null && !failed;
    if (error === null && !failed) return;
    row.errorCode = text(error?.['code']) ?? text(error?.['type']) ?? 'unknown';
    row.errorMessage = text(error?.['message'])?.slice(0, MAX_MESSAGE_LENGTH) ?? null;
  }

  /** Makes the object in a string of JSON the body, its bytes as they stand in the string. Some servers send it so. */
  private unwrapBody(): void {
    const [start, end] = this.parts.spans.body;
    const inner =
      end - start > MAX_REPAIRED_BYTES ? null : unwrap(this.parts.source.toString('utf8', start, end));
    this.parts.forgetBody();
    if (inner !== null && !this.parts.takeBody(inner)) this.parts.takeBody(repairJson(inner));
  }

  private unreadable(block: Buffer, line: number): ReadRow {
    const { row } = this;
    Object.assign(row, { line, statusCode: null, errorCode: null, errorMessage: null, source: block });
    row.isReadable = row.bodyIsAnswer = false;
    row.bodyStart = row.bodyEnd = 0;
    this.parts.usage.clear();
    return row;
  }

  /** The bytes as UTF-8 and strict JSON, as far as they can be made so; null where that changes nothing. */
  private repair(block: Buffer, start: number, end: number, isUtf8: boolean): Buffer | null {
    if (end - start > MAX_REPAIRED_BYTES) return null;
    const decoded = this.decoder.decode(block.subarray(start, end));
    const repaired = repairJson(decoded);
    return isUtf8 && repaired === decoded ? null : Buffer.from(repaired);
  }

  private statusIn(span: Readonly<Span>): number | null {
    if (span[1] === 0) return null;
    const plain = numberIn(this.parts.source, span[0], span[1]);
    if (plain !== null) return plain;
    const value = this.parse(span);
    const status = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    return typeof status === 'number' && Number.isFinite(status) ? status : null;
  }

  /** The number in a `custom_id` that we wrote, also where a server made a number of it; null for anything else. */
  private lineIn(span: Readonly<Span>): number | null {
    const [start, end] = span;
    if (end === 0) return null;
    const { source } = this.parts;
    const line = lineInBytes(source, start, end);
    if (line !== null || source[start] !== QUOTE || !this.parts.scanner.hasEscape(start, end)) return line;
    const id = end - start > 100 ? null : this.parse(span);
    return typeof id === 'string' && /^[1-9][0-9]{0,14}$/.test(id) ? Number(id) : null;
  }

  /** An error that says something; `null`, `""`, `{}` and objects of nulls, as some servers write for "none", are null. */
  private errorIn(span: Readonly<Span>): Record<string, unknown> | null {
    if (span[1] === 0 || this.parts.source[span[0]] === NULL) return null;
    const value = this.parse(span);
    if (typeof value === 'string') {
      if (value === '') return null;
      return { code: isPlainCode(value) ? value : null, message: value };
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
    const says = Object.values(value).some((part) => part !== null && part !== '');
    return says ? (value as Record<string, unknown>) : null;
  }

  private isText(span: Readonly<Span>, name: string): boolean {
    return span[1] > 0 && this.parts.scanner.keyIs(span[0] + 1, span[1] - 1, name);
  }

  /** A value that the scan has found. */
  private parse([start, end]: Readonly<Span>): unknown {
    if (end - start > MAX_REPAIRED_BYTES) return null;
    return JSON.parse(this.parts.source.toString('utf8', start, end));
  }
}

/** How often a body may be wrapped in a string; seen: once, and twice behind a proxy. */
const MAX_WRAPS = 3;

/** The JSON text of the object in a string of JSON; null when there is none. */
function unwrap(json: string): string | null {
  let inner: unknown = json;
  for (let wraps = 0; wraps < MAX_WRAPS; wraps += 1) {
    try {
      inner = JSON.parse(inner as string);
    } catch {
      return null; // not JSON: no answer that could be handed on
    }
    if (typeof inner !== 'string') return null;
    inner = inner.replace(/^\uFEFF/, '').trim();
    if ((inner as string).startsWith('{')) return inner as string;
  }
  return null;
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
