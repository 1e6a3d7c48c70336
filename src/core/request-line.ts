import { Endpoint, endpoints, isEndpoint, MAX_INPUTS_PER_EMBEDDING_LINE } from './limits.ts';
import { JsonScanner, NOT_JSON } from './json-scan.ts';

/** Why a line is not a request, and how to fix it. Never contains text of the line. */
export interface LineFault {
  readonly reason: string;
  readonly advice: string;
}

/** The job's options for lines that name no model or endpoint. */
export interface LineDefaults {
  readonly model: string | null;
  readonly endpoint: Endpoint | null;
}

/** A checked request: offsets into its block. A reader reuses one object for all lines: it is valid until the next `read`. */
export interface RequestLine {
  model: string;
  endpoint: Endpoint;
  /** The body's bytes, from `{` to after `}`. */
  bodyStart: number;
  bodyEnd: number;
  /** Bytes that escaping raw line separators adds to the body; 0 for most. Set by the code that reads the file. */
  escapeBytes: number;
  /** True when the body names no model and the default is added. */
  addsModel: boolean;
  /** The offsets of the user's id in the line, quotes included; both 0 when the line has none. */
  idStart: number;
  idEnd: number;
  embeddingInputs: number;
}

/** Requests nested deeper are refused: no known client writes them. */
const MAX_REQUEST_DEPTH = 200;

/** The usual method, quotes included. */
const POST = Uint8Array.of(0x22, 0x50, 0x4f, 0x53, 0x54, 0x22);

const fault = (reason: string, advice: string): LineFault => ({ reason, advice });

/**
 * Checks lines of an input and finds their bodies. One object is reused for all lines: a job has
 * millions of them.
 */
export class RequestLineReader {
  private readonly scanner = new JsonScanner(new Uint8Array(0), MAX_REQUEST_DEPTH);
  private readonly defaults: LineDefaults;
  private readonly decoder = new TextDecoder('utf-8', { ignoreBOM: true }); // a byte order mark is invalid JSON, as in the scan
  private block: Uint8Array = new Uint8Array(0);
  private end = 0;
  private readonly spans = {
    customId: [0, 0] as [number, number],
    method: [0, 0] as [number, number],
    url: [0, 0] as [number, number],
    body: [0, 0] as [number, number],
    model: [0, 0] as [number, number],
    stream: [0, 0] as [number, number],
    messages: [0, 0] as [number, number],
    input: [0, 0] as [number, number],
    prompt: [0, 0] as [number, number],
  };
  private readonly allSpans: [number, number][] = Object.values(this.spans);
  private escapedKey = false;
  private knownModel = { bytes: new Uint8Array(0), text: '' };
  private readonly knownUrls = new Map<number, { bytes: Uint8Array; url: Endpoint }>();
  private readonly request: RequestLine = {
    model: '',
    endpoint: Endpoint.ChatCompletions,
    bodyStart: 0,
    bodyEnd: 0,
    escapeBytes: 0,
    addsModel: false,
    idStart: 0,
    idEnd: 0,
    embeddingInputs: 0,
  };

  constructor(defaults: LineDefaults) {
    this.defaults = defaults;
  }

  /** Checks `block[start..end)`, which must be valid UTF-8 without a line feed. */
  read(block: Uint8Array, start: number, end: number): RequestLine | LineFault {
    this.block = block;
    this.end = end;
    this.scanner.block = block;
    for (const span of this.allSpans) span[1] = 0;
    this.escapedKey = false;
    const open = this.scanner.skipSpace(start, end);
    const close = this.scanner.scanObject(open, end, this.onMember);
    if (close === NOT_JSON || this.scanner.skipSpace(close, end) !== end || this.escapedKey) {
      const slow = this.explain(start, end);
      if (slow !== null) return slow;
    }
    return this.check();
  }

  private readonly onMember = (keyStart: number, keyEnd: number, valueStart: number): number => {
    const { scanner, spans, end } = this;
    if (scanner.keyIs(keyStart, keyEnd, 'body')) {
      // The last of duplicate keys counts, as in JSON.parse.
      spans.model[1] = spans.stream[1] = spans.messages[1] = spans.input[1] = spans.prompt[1] = 0;
      const close =
        this.block[valueStart] === 0x7b
          ? scanner.scanObject(valueStart, end, this.onBodyMember)
          : scanner.scanValue(valueStart, end);
      spans.body[0] = valueStart;
      spans.body[1] = close;
      return close;
    }
    const close = scanner.scanValue(valueStart, end);
    if (close === NOT_JSON) return NOT_JSON;
    if (scanner.keyIs(keyStart, keyEnd, 'custom_id')) setSpan(spans.customId, valueStart, close);
    else if (scanner.keyIs(keyStart, keyEnd, 'url')) setSpan(spans.url, valueStart, close);
    else if (scanner.keyIs(keyStart, keyEnd, 'method')) setSpan(spans.method, valueStart, close);
    else if (scanner.hasEscape(keyStart, keyEnd)) this.escapedKey = true;
    return close;
  };

  private readonly onBodyMember = (keyStart: number, keyEnd: number, valueStart: number): number => {
    const { scanner, spans } = this;
    const close = scanner.scanValue(valueStart, this.end, 2);
    if (close === NOT_JSON) return NOT_JSON;
    switch (keyEnd - keyStart) {
      case 5:
        if (scanner.keyIs(keyStart, keyEnd, 'model')) setSpan(spans.model, valueStart, close);
        else if (scanner.keyIs(keyStart, keyEnd, 'input')) setSpan(spans.input, valueStart, close);
        break;
      case 6:
        if (scanner.keyIs(keyStart, keyEnd, 'stream')) setSpan(spans.stream, valueStart, close);
        else if (scanner.keyIs(keyStart, keyEnd, 'prompt')) setSpan(spans.prompt, valueStart, close);
        break;
      case 8:
        if (scanner.keyIs(keyStart, keyEnd, 'messages')) setSpan(spans.messages, valueStart, close);
        break;
    }
    if (scanner.hasEscape(keyStart, keyEnd)) this.escapedKey = true;
    return close;
  };

  /** The fault of a line that the scan refused; null when the line is valid and the spans hold. */
  private explain(start: number, end: number): LineFault | null {
    let value: unknown;
    try {
      value = JSON.parse(this.decoder.decode(this.block.subarray(start, end)));
    } catch {
      return fault('is not valid JSON', 'write one JSON object per line, without line breaks inside it');
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return fault('is not a JSON object', 'write {"body":{…}}, one request per line');
    }
    // Keys with escapes, or nesting beyond the scanner's depth: valid JSON that no known client writes.
    return fault(
      this.escapedKey ? 'spells a key with escapes' : 'is nested too deep',
      `write plain keys and at most ${MAX_REQUEST_DEPTH} levels`,
    );
  }

  private check(): RequestLine | LineFault {
    const { spans } = this;
    const [bodyStart, bodyEnd] = spans.body;
    if (bodyEnd === 0)
      return fault('has no "body"', 'put the request into "body": {"body":{"model":…,"messages":[…]}}');
    if (this.block[bodyStart] !== 0x7b)
      return fault('has a "body" that is not an object', 'put the request into "body" as an object');
    const hasId = spans.customId[1] !== 0 && !this.isNull(spans.customId);
    if (hasId && this.block[spans.customId[0]] !== 0x22)
      return fault('has a "custom_id" that is not a string', 'quote it, or leave it out');
    if (
      spans.method[1] !== 0 &&
      !this.spanIs(spans.method, POST) &&
      this.text(spans.method).toUpperCase() !== 'POST'
    ) {
      return fault('has a "method" other than POST', 'write "POST" or leave it out');
    }
    if (spans.stream[1] !== 0 && this.block[spans.stream[0]] === 0x74) {
      return fault('asks for "stream": true', 'remove it: the Batch API does not stream');
    }
    const model = this.model();
    if (model === null) return fault('names no model', 'put "model" into the body or give --model');
    const endpoint = this.endpoint(model);
    if (typeof endpoint !== 'string') return endpoint;
    const missing = this.missingPart(endpoint);
    if (missing !== null) return fault(`has no "${missing}" in its body`, `${endpoint} needs it`);
    let embeddingInputs = 0;
    if (endpoint === Endpoint.Embeddings) {
      embeddingInputs = this.countInputs();
      if (embeddingInputs > MAX_INPUTS_PER_EMBEDDING_LINE) {
        return fault(
          `has ${embeddingInputs} inputs`,
          `put at most ${MAX_INPUTS_PER_EMBEDDING_LINE} into one request`,
        );
      }
    }
    const { request } = this;
    request.model = model;
    request.endpoint = endpoint;
    request.bodyStart = bodyStart;
    request.bodyEnd = bodyEnd;
    request.escapeBytes = 0;
    request.addsModel = spans.model[1] === 0;
    request.idStart = hasId ? spans.customId[0] : 0;
    request.idEnd = hasId ? spans.customId[1] : 0;
    request.embeddingInputs = embeddingInputs;
    return request;
  }

  private model(): string | null {
    const span = this.spans.model;
    if (span[1] === 0) return this.defaults.model;
    if (this.block[span[0]] !== 0x22 || span[1] - span[0] === 2) return null;
    if (!this.spanIs(span, this.knownModel.bytes))
      this.knownModel = { bytes: this.copy(span), text: this.text(span) };
    return this.knownModel.text;
  }

  private endpoint(model: string): Endpoint | LineFault {
    const span = this.spans.url;
    if (span[1] !== 0 && !this.isNull(span)) {
      const known = this.knownUrls.get(span[1] - span[0]);
      if (known !== undefined && this.spanIs(span, known.bytes)) return known.url;
      const url = this.block[span[0]] === 0x22 ? this.text(span) : '';
      if (!isEndpoint(url)) {
        return fault('has a "url" that the Batch API lacks', `use one of ${endpoints.join(', ')}`);
      }
      this.knownUrls.set(span[1] - span[0], { bytes: this.copy(span), url });
      return url;
    }
    if (this.defaults.endpoint !== null) return this.defaults.endpoint;
    if (this.spans.messages[1] !== 0) return Endpoint.ChatCompletions;
    if (this.spans.input[1] !== 0) {
      if (/embedding/i.test(model)) return Endpoint.Embeddings;
      return /moderation/i.test(model) ? Endpoint.Moderations : Endpoint.Responses;
    }
    if (this.spans.prompt[1] !== 0)
      return /image/i.test(model) ? Endpoint.ImageGenerations : Endpoint.Completions;
    return fault('does not say its endpoint', 'add "url" to the line or give --endpoint');
  }

  private missingPart(endpoint: Endpoint): string | null {
    const { messages, input, prompt } = this.spans;
    switch (endpoint) {
      case '/v1/chat/completions':
        return messages[1] !== 0 ? null : 'messages';
      case '/v1/embeddings':
      case '/v1/moderations':
        return input[1] !== 0 ? null : 'input';
      case '/v1/completions':
      case '/v1/images/generations':
      case '/v1/images/edits':
        return prompt[1] !== 0 ? null : 'prompt';
      case '/v1/responses':
        return null; // `prompt` templates and `conversation` may replace `input`
      default:
        return endpoint satisfies never;
    }
  }

  private countInputs(): number {
    const [start] = this.spans.input;
    if (this.block[start] !== 0x5b) return 1;
    const parsed = JSON.parse(this.text(this.spans.input)) as unknown[];
    return typeof parsed[0] === 'number' ? 1 : Math.max(1, parsed.length);
  }

  private isNull(span: readonly [number, number]): boolean {
    return this.block[span[0]] === 0x6e;
  }

  /** A string member's value, or another member's JSON text. */
  private text(span: readonly [number, number]): string {
    const [start, end] = span;
    const json = this.decoder.decode(this.block.subarray(start, end));
    return json.startsWith('"') ? (JSON.parse(json) as string) : json;
  }

  /** The member's bytes, which are kept when the block has other lines. */
  private copy([start, end]: readonly [number, number]): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.block.subarray(start, end)); // `slice` of a Buffer is a view
  }

  private spanIs(span: readonly [number, number], bytes: Uint8Array): boolean {
    const [start, end] = span;
    if (end - start !== bytes.length) return false;
    for (let i = 0; i < bytes.length; i += 1) if (this.block[start + i] !== bytes[i]) return false;
    return true;
  }
}

/** True for what `RequestLineReader.read` returns for a bad line. */
export function isLineFault(read: RequestLine | LineFault): read is LineFault {
  return 'reason' in read;
}

/**
 * The text of an uploaded line in front of the body, before and after the line's number. The number is the
 * `custom_id`: short, unique, and the position of the answer.
 */
export function requestHead(endpoint: string): readonly [beforeNumber: string, behindNumber: string] {
  return ['{"custom_id":"', `","method":"POST","url":"${endpoint}","body":`];
}

/** The `custom_id` of a line that is not a request, if it can be read; null otherwise. */
export function readableId(line: Uint8Array): string | null {
  try {
    const { custom_id: id } = JSON.parse(new TextDecoder().decode(line)) as { custom_id?: unknown };
    return typeof id === 'string' ? id : null;
  } catch {
    return null; // not JSON, or null
  }
}

function setSpan(span: [number, number], start: number, end: number): void {
  span[0] = start;
  span[1] = end;
}
