import { JsonScanner, NOT_JSON } from '../core/json-scan.ts';
import type { ResultRow } from '../core/result-line.ts';

/** A row of an output or error file, as far as it matters; reused from row to row. */
export interface ReadRow extends ResultRow {
  /** The line's number, from `custom_id`; null when the row names no line of ours. */
  line: number | null;
  statusCode: number | null;
  errorCode: string | null;
  errorMessage: string | null;
  bodyIsAnswer: boolean;
  /** Where the body stands in the block. */
  bodyStart: number;
  bodyEnd: number;
  /** The body, where it did not stand in the row as a JSON object (some servers send it as a string). */
  rewrittenBody: Buffer | null;
  inputTokens: number;
  cachedTokens: number;
  outputTokens: number;
}

interface Usage {
  prompt_tokens?: number;
  input_tokens?: number;
  completion_tokens?: number;
  output_tokens?: number;
  prompt_tokens_details?: { cached_tokens?: number } | null;
  input_tokens_details?: { cached_tokens?: number } | null;
}

/** Reads rows: plain successes by scanning, everything else by `JSON.parse`. */
export class ResultRowReader {
  private readonly scanner = new JsonScanner(new Uint8Array(0));
  private readonly decoder = new TextDecoder();
  private block: Buffer = Buffer.alloc(0);
  private end = 0;
  private plain = true;
  private usageStart = 0;
  private usageEnd = 0;
  private readonly row: ReadRow = {
    line: null,
    statusCode: null,
    errorCode: null,
    errorMessage: null,
    bodyIsAnswer: false,
    bodyStart: 0,
    bodyEnd: 0,
    rewrittenBody: null,
    inputTokens: 0,
    cachedTokens: 0,
    outputTokens: 0,
  };

  /** Null when the bytes are no JSON object. */
  read(block: Buffer, start: number, end: number): ReadRow | null {
    this.block = block;
    this.end = end;
    this.scanner.block = block;
    this.plain = true;
    this.usageStart = 0;
    const row = this.row;
    row.line = row.statusCode = row.errorCode = row.errorMessage = row.rewrittenBody = null;
    row.bodyIsAnswer = false;
    row.bodyStart = row.bodyEnd = row.inputTokens = row.cachedTokens = row.outputTokens = 0;
    const open = this.scanner.skipSpace(start, end);
    const close = this.scanner.scanObject(open, end, this.onRowMember);
    const whole = close !== NOT_JSON && this.scanner.skipSpace(close, end) === end;
    if (whole && this.plain && row.line !== null && row.statusCode === 200 && row.bodyEnd > row.bodyStart) {
      row.bodyIsAnswer = true;
      if (this.usageStart > 0) this.scanner.scanObject(this.usageStart, this.usageEnd, this.onUsageMember);
      return row;
    }
    return this.readSlowly(start, end);
  }

  private readonly onRowMember = (keyStart: number, keyEnd: number, valueStart: number): number => {
    const { scanner, block } = this;
    if (scanner.keyIs(keyStart, keyEnd, 'response') && block[valueStart] === 0x7b) {
      return scanner.scanObject(valueStart, this.end, this.onResponseMember);
    }
    const close = scanner.scanValue(valueStart, this.end);
    if (close === NOT_JSON) return NOT_JSON;
    if (scanner.keyIs(keyStart, keyEnd, 'custom_id')) this.row.line = lineIn(block, valueStart, close);
    else if (scanner.keyIs(keyStart, keyEnd, 'error') && block[valueStart] !== 0x6e) this.plain = false;
    return close;
  };

  private readonly onResponseMember = (keyStart: number, keyEnd: number, valueStart: number): number => {
    const { scanner, block, row } = this;
    if (scanner.keyIs(keyStart, keyEnd, 'body') && block[valueStart] === 0x7b) {
      const close = scanner.scanObject(valueStart, this.end, this.onBodyMember);
      row.bodyStart = valueStart;
      row.bodyEnd = close;
      return close;
    }
    const close = scanner.scanValue(valueStart, this.end, 1);
    if (close !== NOT_JSON && scanner.keyIs(keyStart, keyEnd, 'status_code')) {
      row.statusCode = numberIn(block, valueStart, close);
    }
    return close;
  };

  private readonly onBodyMember = (keyStart: number, keyEnd: number, valueStart: number): number => {
    const { scanner, block } = this;
    const close = scanner.scanValue(valueStart, this.end, 2);
    if (close === NOT_JSON) return NOT_JSON;
    if (scanner.keyIs(keyStart, keyEnd, 'usage')) {
      if (block[valueStart] === 0x7b) {
        this.usageStart = valueStart;
        this.usageEnd = close;
      }
    } else if (scanner.keyIs(keyStart, keyEnd, 'error')) {
      if (block[valueStart] !== 0x6e) this.plain = false;
    } else if (scanner.keyIs(keyStart, keyEnd, 'status') && block[valueStart + 1] === 0x66) {
      this.plain = false; // a response object may fail inside a 200 row
    }
    return close;
  };

  private readonly onUsageMember = (keyStart: number, keyEnd: number, valueStart: number): number => {
    const { scanner, block, row } = this;
    const is = (name: string): boolean => scanner.keyIs(keyStart, keyEnd, name);
    if (block[valueStart] === 0x7b && (is('prompt_tokens_details') || is('input_tokens_details'))) {
      return scanner.scanObject(valueStart, this.usageEnd, this.onUsageMember);
    }
    const close = scanner.scanValue(valueStart, this.usageEnd);
    if (is('prompt_tokens') || is('input_tokens')) row.inputTokens = numberIn(block, valueStart, close) ?? 0;
    else if (is('completion_tokens') || is('output_tokens'))
      row.outputTokens = numberIn(block, valueStart, close) ?? 0;
    else if (is('cached_tokens')) row.cachedTokens = numberIn(block, valueStart, close) ?? 0;
    return close;
  };

  private readSlowly(start: number, end: number): ReadRow | null {
    const row = this.row;
    const parsed = parseObject(this.decoder.decode(this.block.subarray(start, end)));
    if (parsed === null) return null;
    row.line = lineOf(parsed['custom_id']);
    const response = asObject(parsed['response']);
    const body = decodeBody(response?.['body']);
    const error = errorIn(parsed['error']) ?? errorIn(body?.['error']);
    const status = Number(response?.['status_code'] ?? Number.NaN);
    // A body without a status is an answer: the request ran.
    row.statusCode = Number.isFinite(status) ? status : body !== null && error === null ? 200 : null;
    const failedBody = body?.['status'] === 'failed' && body['object'] === 'response';
    if (error !== null || failedBody) {
      row.errorCode = text(error?.['code']) ?? text(error?.['type']) ?? 'unknown';
      row.errorMessage = text(error?.['message']);
      row.bodyIsAnswer = false;
      return row;
    }
    row.bodyIsAnswer = body !== null;
    if (row.bodyIsAnswer) {
      row.rewrittenBody = Buffer.from(JSON.stringify(body));
      this.takeUsage(asObject(body?.['usage']) ?? {});
    } else {
      row.errorCode = row.statusCode === 200 ? 'no_answer_in_body' : null;
    }
    return row;
  }

  private takeUsage(usage: Usage): void {
    this.row.inputTokens = tokens(usage.input_tokens ?? usage.prompt_tokens);
    this.row.outputTokens = tokens(usage.output_tokens ?? usage.completion_tokens);
    this.row.cachedTokens = tokens(
      usage.input_tokens_details?.cached_tokens ?? usage.prompt_tokens_details?.cached_tokens,
    );
  }
}

/** A count as servers send it; 0 for what is none. */
function tokens(value: unknown): number {
  return Number.isSafeInteger(value) && Number(value) >= 0 ? Number(value) : 0;
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

/** The line's number in a `custom_id` string of the block; null when it is none of ours. */
function lineIn(block: Buffer, start: number, end: number): number | null {
  return block[start] === 0x22 && block[start + 1] !== 0x30 ? numberIn(block, start + 1, end - 1) : null;
}

/** The number in a `custom_id` that we wrote, also where a server made a number of it; null for anything else. */
function lineOf(customId: unknown): number | null {
  if (typeof customId === 'number') return Number.isSafeInteger(customId) && customId > 0 ? customId : null;
  return typeof customId === 'string' && /^[1-9][0-9]{0,14}$/.test(customId) ? Number(customId) : null;
}

/** How often a body may be wrapped in a string; seen: once, and twice behind a proxy. */
const MAX_WRAPS = 3;

/** A body as an object, also where it stands in a string of JSON; null when there is none. */
function decodeBody(body: unknown): Record<string, unknown> | null {
  let value = body;
  for (let wraps = 0; typeof value === 'string' && wraps < MAX_WRAPS; wraps += 1) {
    try {
      value = JSON.parse(value.replace(/^\uFEFF/, ''));
    } catch {
      return null; // not JSON: no answer that could be handed on
    }
  }
  return asObject(value);
}

/** An error that says something; `null`, `""`, `{}` and objects of nulls, as some servers write for "none", are null. */
function errorIn(value: unknown): Record<string, unknown> | null {
  if (typeof value === 'string')
    return value === ''
      ? null
      : { code: /^[A-Za-z0-9_.-]{1,64}$/.test(value) ? value : null, message: value };
  const error = asObject(value);
  if (error === null) return null;
  return Object.values(error).some((part) => part !== null && part !== '') ? error : null;
}

function parseObject(json: string): Record<string, unknown> | null {
  try {
    return asObject(JSON.parse(json));
  } catch {
    return null; // not JSON: the caller treats the row as absent
  }
}

function asObject(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
