import { JsonScanner, NOT_JSON } from '../../core/json-scan.ts';
import { AnswerParts } from './answer-parts.ts';
import { UsageReader } from './read-usage.ts';
import type { Span } from './row-bytes.ts';
import { VectorSpans } from './vector-spans.ts';

const LINE_FEED = 0x0a;
const OPEN_BRACE = 0x7b;

const rowKeys = ['custom_id', 'response', 'error'] as const;
const responseKeys = ['status_code', 'body'] as const;
const bodyKeys = ['usage', 'error', 'status', 'object'] as const;
const SHORTEST_ESCAPED = 'body'.length + 5;
const LONGEST_ESCAPED = 'status_code'.length * 6;

/** Finds the parts of a row by scanning, without copying them. */
export class RowParts {
  readonly scanner: JsonScanner = new JsonScanner(new Uint8Array(0));
  readonly usage: UsageReader = new UsageReader(this.scanner);
  /** Null for a reader that is not asked for texts. */
  readonly answer: AnswerParts | null;
  /** Null for a reader that is not asked for vectors. */
  readonly vectors: VectorSpans | null;
  readonly spans: Record<
    'customId' | 'error' | 'status' | 'body' | 'bodyError' | 'bodyStatus' | 'bodyObject',
    Span
  > = {
    customId: [0, 0],
    error: [0, 0],
    status: [0, 0],
    body: [0, 0],
    bodyError: [0, 0],
    bodyStatus: [0, 0],
    bodyObject: [0, 0],
  };
  /** The buffer to which the spans refer: the block of the row, or a body that was extracted from it. */
  source: Buffer = Buffer.alloc(0);
  private end = 0;
  private readonly allSpans: Span[] = Object.values(this.spans);

  constructor(findsTexts: boolean, findsVectors: boolean) {
    this.answer = findsTexts ? new AnswerParts(this.scanner) : null;
    this.vectors = findsVectors ? new VectorSpans(this.scanner) : null;
  }

  /** Finds the parts of the row at `at`; returns the offset after it, or NOT_JSON. */
  scanRow(block: Buffer, at: number, end: number): number {
    this.useSource(block, end);
    for (const span of this.allSpans) span[1] = 0;
    this.usage.clear();
    this.answer?.clear();
    this.vectors?.clear();
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
      // The last of duplicate keys counts, as in JSON.parse.
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
    const { spans, answer, vectors, scanner } = this;
    if (answer?.isAnswer(keyStart, keyEnd) === true)
      return answer.scan(keyStart, keyEnd, valueStart, this.end);
    if (vectors !== null && scanner.keyIs(keyStart, keyEnd, 'data'))
      return vectors.scan(valueStart, this.end);
    const key = this.nameOf(keyStart, keyEnd, bodyKeys);
    if (key === 'usage') {
      this.usage.clear();
      if (this.source[valueStart] === OPEN_BRACE) {
        const end = this.usage.read(valueStart, this.end);
        if (vectors !== null) setSpan(vectors.usage, valueStart, end);
        return end;
      }
    }
    const close = scanner.scanValue(valueStart, this.end, 3);
    if (key === 'error') setSpan(spans.bodyError, valueStart, close);
    else if (key === 'status') setSpan(spans.bodyStatus, valueStart, close);
    else if (key === 'object') setSpan(spans.bodyObject, valueStart, close);
    return close;
  };

  /** Returns the name that equals a key, also if the key has escapes; null for other keys. */
  private nameOf<Name extends string>(keyStart: number, keyEnd: number, names: readonly Name[]): Name | null {
    const { scanner } = this;
    const length = keyEnd - keyStart;
    for (let i = 0; i < names.length; i += 1) {
      const name = names[i]!;
      if (name.length === length && scanner.keyIs(keyStart, keyEnd, name)) return name;
    }
    // An escaped letter has six bytes, so other lengths cannot be one of the names.
    if (length < SHORTEST_ESCAPED || length > LONGEST_ESCAPED || !scanner.hasEscape(keyStart, keyEnd))
      return null;
    const text = JSON.parse(this.source.toString('utf8', keyStart - 1, keyEnd + 1)) as string;
    return names.find((name) => name === text) ?? null;
  }

  forgetBody(): void {
    const { spans } = this;
    spans.body[1] = spans.bodyError[1] = spans.bodyStatus[1] = spans.bodyObject[1] = 0;
    this.usage.clear();
    this.answer?.clear();
    this.vectors?.clear();
  }

  /** Uses the JSON text of an object as the body; returns false if it is not JSON. */
  takeBody(json: string): boolean {
    const source = Buffer.from(json);
    this.useSource(source, source.length);
    const close = this.scanner.scanObject(0, source.length, this.onBodyMember);
    if (close !== source.length) {
      this.forgetBody();
      return false;
    }
    setSpan(this.spans.body, 0, close);
    // Line feeds, which in JSON occur only between values, would break our row.
    for (let at = source.indexOf(LINE_FEED); at !== -1; at = source.indexOf(LINE_FEED, at)) source[at] = 0x20;
    return true;
  }
}

function setSpan(span: Span, start: number, end: number): void {
  span[0] = start;
  span[1] = end === NOT_JSON ? 0 : end;
}
