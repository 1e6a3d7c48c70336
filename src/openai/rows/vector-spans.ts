import { NOT_JSON, type JsonScanner, type OnMember } from '../../core/json-scan.ts';
import { numberIn, type Span } from './row-bytes.ts';

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;

/** Containers around a vector. */
const DEPTH = 5;

/** The positions of a vector of an answer: of the object in the list, and of the number of its input in it. An end of 0: none. */
export interface Vector {
  readonly element: Readonly<Span>;
  readonly index: Readonly<Span>;
}

/** Finds the vectors of an embeddings answer while its row is scanned, without reading their numbers. */
export class VectorSpans {
  /** The values of the members `data` and `usage` of the body. */
  readonly data: Span = [0, 0];
  readonly usage: Span = [0, 0];
  private readonly scanner: JsonScanner;
  private end = 0;
  private found: Vector[] = [];
  private index: Span = [0, 0];
  private hasVector = false;

  constructor(scanner: JsonScanner) {
    this.scanner = scanner;
  }

  clear(): void {
    this.data[1] = this.usage[1] = 0;
    this.found = [];
  }

  /** Scans the member `data` of a body; returns the offset after it, or NOT_JSON. */
  scan(at: number, end: number): number {
    this.end = end;
    this.found = [];
    const close = this.scanList(at);
    this.data[0] = at;
    this.data[1] = close === NOT_JSON ? 0 : close;
    return close;
  }

  /**
   * The vectors of the answer to so many inputs, in `source`, in the order of the inputs: by `index`, or as they are if none has an
   * `index`. Null unless there is one for each input: `index` is the place in the list, so a server that leaves one out may have counted on.
   */
  of(source: Buffer, inputs: number): readonly Vector[] | null {
    const { found } = this;
    if (found.length !== inputs) return null;
    if (found.every(({ index }) => index[1] === 0)) return found;
    const vectors: Vector[] = [];
    for (const vector of found) {
      const [start, end] = vector.index;
      const at = end === 0 ? null : numberIn(source, start, end);
      if (at === null || at >= inputs || at in vectors) return null;
      vectors[at] = vector;
    }
    return vectors;
  }

  private readonly onMember: OnMember = (keyStart, keyEnd, at) => {
    const { scanner } = this;
    const close = scanner.scanValue(at, this.end, DEPTH);
    if (scanner.keyIs(keyStart, keyEnd, 'index')) this.index = [at, close];
    else if (scanner.keyIs(keyStart, keyEnd, 'embedding'))
      this.hasVector = scanner.block[at] === OPEN_BRACKET || scanner.block[at] === QUOTE;
    return close;
  };

  private scanList(at: number): number {
    const { scanner, end } = this;
    const source = scanner.block;
    if (source[at] !== OPEN_BRACKET) return scanner.scanValue(at, end, DEPTH);
    at = scanner.skipSpace(at + 1, end);
    if (at < end && source[at] === CLOSE_BRACKET) return at + 1;
    while (at < end) {
      this.index = [0, 0];
      this.hasVector = false;
      const close =
        source[at] === OPEN_BRACE
          ? scanner.scanObject(at, end, this.onMember)
          : scanner.scanValue(at, end, DEPTH);
      if (close === NOT_JSON) return NOT_JSON;
      if (this.hasVector) this.found.push({ element: [at, close], index: this.index });
      at = scanner.skipSpace(close, end);
      if (at >= end) return NOT_JSON;
      if (source[at] === CLOSE_BRACKET) return at + 1;
      if (source[at] !== COMMA) return NOT_JSON;
      at = scanner.skipSpace(at + 1, end);
    }
    return NOT_JSON;
  }
}
