import { NOT_JSON } from '../../core/json-scan.ts';
import { isPlainCode } from '../../core/plain-code.ts';
import { repairJson } from '../../core/repair-json.ts';
import type { RowUsage } from './read-usage.ts';
import { findBrokenRow, lineInBytes, numberIn, skipFrame, type Span } from './row-bytes.ts';
import type { RowFacts } from './row-meaning.ts';
import { RowParts } from './row-parts.ts';
import type { VectorSpans } from './vector-spans.ts';

/** The relevant parts of a row of an output or error file. The object is reused for every row. */
export interface ReadRow extends RowFacts {
  /** The line's number, from `custom_id`; null if it is not one of ours. */
  line: number | null;
  statusCode: number | null;
  errorCode: string | null;
  errorMessage: string | null;
  bodyIsAnswer: boolean;
  isReadable: boolean;
  /** The buffer with the body: the file's block, or a copy if the body in the file is not strict JSON. */
  source: Buffer;
  /** The position of the body in `source`. */
  bodyStart: number;
  bodyEnd: number;
  /** The position of the answer's text in `source`, as JSON; its end is 0 if it was not looked for, or is not in one piece. */
  textStart: number;
  textEnd: number;
  readonly usage: RowUsage;
  /** The vectors of the body in `source`; null if they were not looked for. */
  readonly vectors: VectorSpans | null;
}

const QUOTE = 0x22;
const OPEN_BRACE = 0x7b;
const NULL = 0x6e;

/** A longer row is not repaired: it would not fit into a string. */
const MAX_REPAIRED_BYTES = 64 << 20;

/** Longer messages are cut: the index of a shard keeps them until its rows are written. */
const MAX_MESSAGE_LENGTH = 10_000;

/**
 * Reads rows by scanning, without copying answers. Rows that are not strict JSON or not UTF-8 are repaired if possible.
 */
export class ResultRowReader {
  private readonly parts: RowParts;
  private readonly decoder = new TextDecoder();
  private readonly row: ReadRow;

  /** `findsTexts`, `findsVectors`: whether to find the texts of chat completions and responses, or the vectors of embeddings, too. */
  constructor(findsTexts: boolean = false, findsVectors: boolean = false) {
    this.parts = new RowParts(findsTexts, findsVectors);
    this.row = {
      line: null,
      statusCode: null,
      errorCode: null,
      errorMessage: null,
      bodyIsAnswer: false,
      isReadable: true,
      source: this.parts.source,
      bodyStart: 0,
      bodyEnd: 0,
      textStart: 0,
      textEnd: 0,
      usage: this.parts.usage,
      vectors: this.parts.vectors,
    };
  }

  /**
   * Calls `onRow` for each row in a line of a file: one, or several if a server writes no line feeds between them. The row is
   * valid during the call only. If only the line's number can be read, the row is unreadable; bytes that are not a row are
   * ignored.
   */
  readLine(block: Buffer, start: number, end: number, isUtf8: boolean, onRow: (row: ReadRow) => void): void {
    let isRepaired = false;
    let at = skipFrame(block, start, end);
    while (at < end && block[at] === OPEN_BRACE) {
      const close = isUtf8 ? this.parts.scanRow(block, at, end) : NOT_JSON;
      if (close !== NOT_JSON) {
        this.fillRow();
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

  /** Fills the row from the parts that the scan has found. */
  private fillRow(): void {
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
    if (parts.answer !== null) {
      row.textStart = parts.answer.text[0];
      row.textEnd = parts.answer.text[1];
    }
    const hasBody = spans.body[1] > 0 && this.parts.source[row.bodyStart] === OPEN_BRACE;
    const error = rowError ?? this.errorIn(spans.bodyError);
    // A body without a status counts as an answer, since the request ran.
    row.statusCode = status ?? (hasBody && error === null ? 200 : null);
    // A Responses object may have failed although the status is 200.
    const failed = this.isText(spans.bodyStatus, 'failed') && this.isText(spans.bodyObject, 'response');
    row.bodyIsAnswer = hasBody && error === null && !failed;
    if (error === null && !failed) return;
    row.errorCode = text(error?.['code']) ?? text(error?.['type']) ?? 'unknown';
    row.errorMessage = text(error?.['message'])?.slice(0, MAX_MESSAGE_LENGTH) ?? null;
  }

  /** Uses the object in a JSON string as the body, without changing its bytes. Some servers send the body as a string. */
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
    row.bodyStart = row.bodyEnd = row.textStart = row.textEnd = 0;
    this.parts.usage.clear();
    return row;
  }

  /** Converts the bytes to UTF-8 and strict JSON, as far as possible; returns null if that changes nothing. */
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

  /** Returns the number in a `custom_id` of ours, also if a server has changed the string to a number; else null. */
  private lineIn(span: Readonly<Span>): number | null {
    const [start, end] = span;
    if (end === 0) return null;
    const { source } = this.parts;
    const line = lineInBytes(source, start, end);
    if (line !== null || source[start] !== QUOTE || !this.parts.scanner.hasEscape(start, end)) return line;
    const id = end - start > 100 ? null : this.parse(span);
    return typeof id === 'string' && /^[1-9][0-9]{0,14}$/.test(id) ? Number(id) : null;
  }

  /** Returns an error; null for `null`, `""`, `{}` and objects of nulls, with which some servers mean "no error". */
  private errorIn(span: Readonly<Span>): Record<string, unknown> | null {
    if (span[1] === 0 || this.parts.source[span[0]] === NULL) return null;
    const value = this.parse(span);
    if (typeof value === 'string') {
      if (value === '') return null;
      return { code: isPlainCode(value) ? value : null, message: value };
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
    const hasContent = Object.values(value).some((part) => part !== null && part !== '');
    return hasContent ? (value as Record<string, unknown>) : null;
  }

  private isText(span: Readonly<Span>, name: string): boolean {
    return span[1] > 0 && this.parts.scanner.keyIs(span[0] + 1, span[1] - 1, name);
  }

  /** Parses a value that the scan has found. */
  private parse([start, end]: Readonly<Span>): unknown {
    if (end - start > MAX_REPAIRED_BYTES) return null;
    return JSON.parse(this.parts.source.toString('utf8', start, end));
  }
}

/** How often a body may be wrapped in a string; observed: once, and twice behind a proxy. */
const MAX_WRAPS = 3;

/** Returns the JSON text of the object in a JSON string; null if there is none. */
function unwrap(json: string): string | null {
  let inner: unknown = json;
  for (let wraps = 0; wraps < MAX_WRAPS; wraps += 1) {
    try {
      inner = JSON.parse(inner as string);
    } catch {
      return null; // not JSON
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
