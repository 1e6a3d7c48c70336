import { JsonScanner, NOT_JSON, type OnMember } from '../../core/json-scan.ts';
import { numberIn } from './row-bytes.ts';
import type { Span } from './row-parts.ts';

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;

/** Containers around an element. */
const DEPTH = 2;

/** The positions of a vector of an answer: of the object in the list, and of the number of its input in it. An end of 0: none. */
export interface Vector {
  readonly element: Readonly<Span>;
  readonly index: Readonly<Span>;
}

/** Finds the vectors of an embeddings answer by scanning, without reading their numbers. */
export class VectorSpans {
  /** The values of the members `data` and `usage`. */
  readonly data: Span = [0, 0];
  readonly usage: Span = [0, 0];
  private readonly scanner = new JsonScanner(new Uint8Array(0));
  private source: Buffer = Buffer.alloc(0);
  private end = 0;
  private found: Vector[] = [];
  private index: Span = [0, 0];
  private hasVector = false;

  /**
   * Reads the body in `source[start..end)`, the answer to so many inputs. Returns their vectors; null for an input without one, or with more
   * than one. Vectors without an `index` are in the order of the inputs if there is one for each input.
   */
  read(source: Buffer, start: number, end: number, inputs: number): (Vector | null)[] {
    this.source = this.scanner.block = source;
    this.end = end;
    this.data[1] = this.usage[1] = 0;
    this.found = [];
    const vectors = Array.from({ length: inputs }, (): Vector | null => null);
    if (this.scanner.scanObject(start, end, this.onBodyMember) === NOT_JSON) return vectors;
    const { found } = this;
    if (found.length === inputs && found.every(({ index }) => index[1] === 0)) return found;
    const seen = new Uint8Array(inputs);
    for (const each of found) {
      const at = each.index[1] === 0 ? null : numberIn(source, each.index[0], each.index[1]);
      if (at === null || at >= inputs) continue;
      seen[at] = Math.min(2, seen[at]! + 1);
      vectors[at] = each;
    }
    return vectors.map((vector, at) => (seen[at] === 1 ? vector : null));
  }

  private readonly onBodyMember: OnMember = (keyStart, keyEnd, at) => {
    const { scanner } = this;
    if (scanner.keyIs(keyStart, keyEnd, 'data')) {
      this.found = [];
      const close = this.scanList(at);
      setSpan(this.data, at, close);
      return close;
    }
    const close = scanner.scanValue(at, this.end, 1);
    if (scanner.keyIs(keyStart, keyEnd, 'usage')) setSpan(this.usage, at, close);
    return close;
  };

  private readonly onMember: OnMember = (keyStart, keyEnd, at) => {
    const { scanner, source } = this;
    const close = scanner.scanValue(at, this.end, DEPTH);
    if (scanner.keyIs(keyStart, keyEnd, 'index')) setSpan(this.index, at, close);
    else if (scanner.keyIs(keyStart, keyEnd, 'embedding'))
      this.hasVector = source[at] === OPEN_BRACKET || source[at] === QUOTE;
    return close;
  };

  private scanList(at: number): number {
    const { scanner, source, end } = this;
    if (source[at] !== OPEN_BRACKET) return scanner.scanValue(at, end, 1);
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

function setSpan(span: Span, start: number, end: number): void {
  span[0] = start;
  span[1] = end === NOT_JSON ? 0 : end;
}
