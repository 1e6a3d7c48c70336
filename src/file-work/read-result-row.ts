import { JsonScanner, NOT_JSON } from '../core/json-scan.ts';
import { repairJson } from '../core/repair-json.ts';
import type { ResultRow } from '../core/result-line.ts';
import { UsageReader } from './read-usage.ts';

/** A row of an output or error file, as far as it matters; reused from row to row. */
export interface ReadRow extends ResultRow {
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

const LINE_FEED = 0x0a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const NULL = 0x6e;

/** A longer row is not repaired: it would not fit a string. */
const MAX_REPAIRED_BYTES = 64 << 20;

/** Longer messages are cut: the index of a shard holds them until its rows are written. */
const MAX_MESSAGE_LENGTH = 10_000;

type Span = [start: number, end: number];

const rowKeys = ['custom_id', 'response', 'error'] as const;
const responseKeys = ['status_code', 'body'] as const;
const bodyKeys = ['usage', 'error', 'status', 'object'] as const;
const SHORTEST_ESCAPED = 'body'.length + 5;
const LONGEST_ESCAPED = 'status_code'.length * 6;

/**
 * Reads rows by scanning: an answer's bytes stay where they are, whatever form the row has around them.
 * Rows that are no strict JSON or no UTF-8 are repaired where that is possible.
 */
export class ResultRowReader {
  private readonly scanner = new JsonScanner(new Uint8Array(0));
  private readonly decoder = new TextDecoder();
  private source: Buffer = Buffer.alloc(0);
  private end = 0;
  private readonly spans = {
    customId: [0, 0] as Span,
    error: [0, 0] as Span,
    status: [0, 0] as Span,
    body: [0, 0] as Span,
    bodyError: [0, 0] as Span,
    bodyStatus: [0, 0] as Span,
    bodyObject: [0, 0] as Span,
  };
  private readonly allSpans: Span[] = Object.values(this.spans);
  private readonly usage = new UsageReader(this.scanner);
  private readonly row: ReadRow = {
    line: null,
    statusCode: null,
    errorCode: null,
    errorMessage: null,
    bodyIsAnswer: false,
    isReadable: true,
    source: this.source,
    bodyStart: 0,
    bodyEnd: 0,
    usage: this.usage,
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
      const close = isUtf8 ? this.scanRow(block, at, end) : NOT_JSON;
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

  /** Finds the parts of the row at `at`; returns the offset behind it, or NOT_JSON. */
  private scanRow(block: Buffer, at: number, end: number): number {
    this.useSource(block, end);
    for (const span of this.allSpans) span[1] = 0;
    this.usage.clear();
    return this.scanner.scanObject(at, end, this.onRowMember);
  }

  private useSource(source: Buffer, end: number): void {
    this.source = source;
    this.scanner.block = source;
    this.end = end;
  }

  private readonly onRowMember = (keyStart: number, keyEnd: number, valueStart: number): number => {
    const { scanner, spans } = this;
    const key = this.nameOf(keyStart, keyEnd, rowKeys);
    if (key === 'response') {
      // Of a key given twice the last one counts, as in JSON.parse.
      spans.status[1] = 0;
      this.forgetBody();
      return this.source[valueStart] === OPEN_BRACE
        ? scanner.scanObject(valueStart, this.end, this.onResponseMember)
        : scanner.scanValue(valueStart, this.end);
    }
    const close = scanner.scanValue(valueStart, this.end);
    if (key === 'custom_id') setSpan(spans.customId, valueStart, close);
    else if (key === 'error') setSpan(spans.error, valueStart, close);
    return close;
  };

  private readonly onResponseMember = (keyStart: number, keyEnd: number, valueStart: number): number => {
    const { scanner, spans } = this;
    const key = this.nameOf(keyStart, keyEnd, responseKeys);
    if (key === 'body') {
      this.forgetBody();
      const close =
        this.source[valueStart] === OPEN_BRACE
          ? scanner.scanObject(valueStart, this.end, this.onBodyMember)
          : scanner.scanValue(valueStart, this.end, 2);
      setSpan(spans.body, valueStart, close);
      return close;
    }
    const close = scanner.scanValue(valueStart, this.end, 2);
    if (key === 'status_code') setSpan(spans.status, valueStart, close);
    return close;
  };

  private readonly onBodyMember = (keyStart: number, keyEnd: number, valueStart: number): number => {
    const { spans } = this;
    const key = this.nameOf(keyStart, keyEnd, bodyKeys);
    if (key === 'usage') {
      this.usage.clear();
      if (this.source[valueStart] === OPEN_BRACE) return this.usage.read(valueStart, this.end);
    }
    const close = this.scanner.scanValue(valueStart, this.end, 3);
    if (key === 'error') setSpan(spans.bodyError, valueStart, close);
    else if (key === 'status') setSpan(spans.bodyStatus, valueStart, close);
    else if (key === 'object') setSpan(spans.bodyObject, valueStart, close);
    return close;
  };

  /** Which of the names a key is, also where it is written with escapes; null for other keys. */
  private nameOf<Name extends string>(keyStart: number, keyEnd: number, names: readonly Name[]): Name | null {
    const { scanner } = this;
    const length = keyEnd - keyStart;
    for (let i = 0; i < names.length; i += 1) {
      const name = names[i]!;
      if (name.length === length && scanner.keyIs(keyStart, keyEnd, name)) return name;
    }
    // Six bytes make an escaped letter: other keys are none of these names.
    if (length < SHORTEST_ESCAPED || length > LONGEST_ESCAPED || !scanner.hasEscape(keyStart, keyEnd))
      return null;
    const text = JSON.parse(this.source.toString('utf8', keyStart - 1, keyEnd + 1)) as string;
    return names.find((name) => name === text) ?? null;
  }

  private forgetBody(): void {
    const { spans } = this;
    spans.body[1] = spans.bodyError[1] = spans.bodyStatus[1] = spans.bodyObject[1] = 0;
    this.usage.clear();
  }

  /** Judges the parts that the scan has found. */
  private understand(): void {
    const { row, spans } = this;
    row.line = this.lineIn(spans.customId);
    row.isReadable = true;
    row.errorCode = row.errorMessage = null;
    const rowError = this.errorIn(spans.error);
    const status = this.statusIn(spans.status);
    if (spans.body[1] > 0 && this.source[spans.body[0]] === QUOTE) this.unwrapBody();
    row.source = this.source;
    row.bodyStart = spans.body[0];
    row.bodyEnd = spans.body[1];
    const hasBody = spans.body[1] > 0 && this.source[row.bodyStart] === OPEN_BRACE;
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
    const [start, end] = this.spans.body;
    const inner = end - start > MAX_REPAIRED_BYTES ? null : unwrap(this.source.toString('utf8', start, end));
    this.forgetBody();
    if (inner !== null && !this.takeBody(inner)) this.takeBody(repairJson(inner));
  }

  private takeBody(json: string): boolean {
    const source = Buffer.from(json);
    this.useSource(source, source.length);
    const close = this.scanner.scanObject(0, source.length, this.onBodyMember);
    if (close !== source.length) {
      this.forgetBody();
      return false;
    }
    setSpan(this.spans.body, 0, close);
    // Line feeds stand between values only, as this is JSON, and would break our row.
    for (let at = source.indexOf(LINE_FEED); at !== -1; at = source.indexOf(LINE_FEED, at)) source[at] = 0x20;
    return true;
  }

  private unreadable(block: Buffer, line: number): ReadRow {
    const { row } = this;
    Object.assign(row, { line, statusCode: null, errorCode: null, errorMessage: null, source: block });
    row.isReadable = row.bodyIsAnswer = false;
    row.bodyStart = row.bodyEnd = 0;
    this.usage.clear();
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
    const plain = numberIn(this.source, span[0], span[1]);
    if (plain !== null) return plain;
    const value = this.parse(span);
    const status = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    return typeof status === 'number' && Number.isFinite(status) ? status : null;
  }

  /** The number in a `custom_id` that we wrote, also where a server made a number of it; null for anything else. */
  private lineIn(span: Readonly<Span>): number | null {
    const [start, end] = span;
    if (end === 0) return null;
    const { source } = this;
    const line = lineInBytes(source, start, end);
    if (line !== null || source[start] !== QUOTE || !this.scanner.hasEscape(start, end)) return line;
    const id = end - start > 100 ? null : this.parse(span);
    return typeof id === 'string' && /^[1-9][0-9]{0,14}$/.test(id) ? Number(id) : null;
  }

  /** An error that says something; `null`, `""`, `{}` and objects of nulls, as some servers write for "none", are null. */
  private errorIn(span: Readonly<Span>): Record<string, unknown> | null {
    if (span[1] === 0 || this.source[span[0]] === NULL) return null;
    const value = this.parse(span);
    if (typeof value === 'string') {
      if (value === '') return null;
      return { code: /^[A-Za-z0-9_.-]{1,64}$/.test(value) ? value : null, message: value };
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
    const says = Object.values(value).some((part) => part !== null && part !== '');
    return says ? (value as Record<string, unknown>) : null;
  }

  private isText(span: Readonly<Span>, name: string): boolean {
    return span[1] > 0 && this.scanner.keyIs(span[0] + 1, span[1] - 1, name);
  }

  /** A value that the scan has found. */
  private parse([start, end]: Readonly<Span>): unknown {
    if (end - start > MAX_REPAIRED_BYTES) return null;
    return JSON.parse(this.source.toString('utf8', start, end));
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

/** Skips what may stand before a row: white space, a byte order mark, and the signs of a JSON array around rows. */
function skipFrame(block: Buffer, at: number, end: number): number {
  for (; at < end; at += 1) {
    const byte = block[at]!;
    if (byte === OPEN_BRACE) return at;
    if (byte === 0xef && block[at + 1] === 0xbb && block[at + 2] === 0xbf) at += 2;
    else if (byte > 0x20 && byte !== COMMA && byte !== OPEN_BRACKET && byte !== CLOSE_BRACKET) return at;
  }
  return at;
}

/**
 * The line that a row names which is no JSON, and where it ends: quotes and brackets are followed, nothing is checked.
 * Only a `custom_id` of the row itself counts: a body may hold one, too.
 */
function findBrokenRow(block: Buffer, at: number, end: number): { line: number | null; end: number } {
  let line: number | null = null;
  let depth = 0;
  for (; at < end; at += 1) {
    const byte = block[at]!;
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth += 1;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth -= 1;
      if (depth <= 0) return { line, end: at + 1 };
    } else if (byte === QUOTE) {
      const close = stringEnd(block, at, end);
      if (depth === 1 && line === null && block.toString('latin1', at, close) === '"custom_id"')
        line = lineBehind(block, close, end);
      at = close - 1;
    }
  }
  return { line, end };
}

/** The line named behind the key `custom_id`. */
function lineBehind(block: Buffer, at: number, end: number): number | null {
  while (at < end && (block[at] === 0x20 || block[at] === 0x3a)) at += 1;
  let close = at;
  if (block[at] === QUOTE) close = stringEnd(block, at, end);
  else while (close < end && block[close]! >= 0x30 && block[close]! <= 0x39) close += 1;
  return lineInBytes(block, at, close);
}

function stringEnd(block: Buffer, at: number, end: number): number {
  for (at += 1; at < end; at += 1) {
    if (block[at] === QUOTE) return at + 1;
    if (block[at] === BACKSLASH) at += 1;
  }
  return end;
}

/** The number that we wrote as a `custom_id`, quoted or not. */
function lineInBytes(block: Buffer, start: number, end: number): number | null {
  if (block[start] === QUOTE) {
    start += 1;
    end -= 1;
  }
  return block[start] === 0x30 ? null : numberIn(block, start, end);
}

/** A plain whole number in the block; null for anything else. */
function numberIn(block: Buffer, start: number, end: number): number | null {
  let value = 0;
  for (let at = start; at < end; at += 1) {
    const digit = block[at]! - 0x30;
    if (digit < 0 || digit > 9) return null;
    value = value * 10 + digit;
  }
  return end > start && end - start <= 15 ? value : null;
}

function setSpan(span: Span, start: number, end: number): void {
  span[0] = start;
  span[1] = end === NOT_JSON ? 0 : end;
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
