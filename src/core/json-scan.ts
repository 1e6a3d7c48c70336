/**
 * Checks JSON and finds the offsets of its members without building objects.
 *
 * The job copies the bytes of request bodies and answers unchanged: parsing and printing them
 * would change numbers beyond 2^53, duplicate keys and escapes. The scan is
 * a full check against RFC 8259's grammar, and finds where each member of interest starts and ends. It has its own stack, for
 * values nested thousands of levels deep.
 * `readLines` checks UTF-8, in whole blocks.
 *
 * `JSON.parse` is the oracle of this file's property tests.
 */

/** Returned instead of an end offset when the bytes are not JSON or are nested too deep. */
export const NOT_JSON = -1;

/** Called for each member of an object; `keyEnd` excludes the quotes. Returns the end of the value, or NOT_JSON. */
export type OnMember = (keyStart: number, keyEnd: number, valueStart: number) => number;

/** Deeper values are not scanned: the stack of open containers takes a byte a level. */
const MAX_DEPTH = 1_000_000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const MINUS = 0x2d;
const PLUS = 0x2b;
const DOT = 0x2e;
const ZERO = 0x30;

/** A reusable scanner over a block of bytes; `block` may be replaced between scans. */
export class JsonScanner {
  private bytes: Uint8Array;
  /** The same bytes as `bytes`. */
  private view: DataView;
  private readonly maxDepth: number;
  /** For each open container, 1 for an object and 0 for an array: deep input cannot exhaust the call stack. */
  private stack = new Uint8Array(64);

  /** @param maxDepth the scan of a value nested deeper returns `NOT_JSON` */
  constructor(block: Uint8Array, maxDepth: number = MAX_DEPTH) {
    this.bytes = block;
    this.view = viewOf(block);
    this.maxDepth = maxDepth;
  }

  get block(): Uint8Array {
    return this.bytes;
  }

  set block(block: Uint8Array) {
    if (block === this.bytes) return; // most rows follow another one of their block
    this.bytes = block;
    this.view = viewOf(block);
  }

  /** Returns the offset of the first byte at or after `at` that is not JSON white space. */
  skipSpace(at: number, end: number): number {
    const block = this.bytes;
    while (at < end) {
      const byte = block[at]!;
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at;
      at += 1;
    }
    return at;
  }

  /** Scans an object whose `{` is at `at`; returns the offset after its `}`. */
  scanObject(at: number, end: number, onMember: OnMember): number {
    const block = this.bytes;
    if (block[at] !== OPEN_BRACE) return NOT_JSON;
    at = this.skipSpace(at + 1, end);
    if (at < end && block[at] === CLOSE_BRACE) return at + 1;
    while (at < end) {
      const keyStart = at;
      const keyEnd = this.scanString(at, end);
      if (keyEnd === NOT_JSON) return NOT_JSON;
      at = this.skipSpace(keyEnd, end);
      if (at >= end || block[at] !== COLON) return NOT_JSON;
      at = this.skipSpace(at + 1, end);
      at = onMember(keyStart + 1, keyEnd - 1, at);
      if (at === NOT_JSON) return NOT_JSON;
      at = this.skipSpace(at, end);
      if (at >= end) return NOT_JSON;
      if (block[at] === CLOSE_BRACE) return at + 1;
      if (block[at] !== COMMA) return NOT_JSON;
      at = this.skipSpace(at + 1, end);
    }
    return NOT_JSON;
  }

  /** Scans any value and returns the offset after it; `depth` is the number of containers around it. */
  scanValue(at: number, end: number, depth = 0): number {
    if (at >= end) return NOT_JSON;
    const block = this.bytes;
    const first = block[at]!;
    if (first !== OPEN_BRACE && first !== OPEN_BRACKET) return this.scanScalar(at, end);
    const most = this.maxDepth - depth;
    let stack = this.stack;
    let open = 0;
    for (;;) {
      // At the first byte of a value.
      const byte = block[at];
      if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        if (at >= end || open >= most) return NOT_JSON;
        if (open === stack.length) {
          this.stack = new Uint8Array(open * 2);
          this.stack.set(stack);
          stack = this.stack;
        }
        const isObject = byte === OPEN_BRACE;
        at = this.skipSpace(at + 1, end);
        if (at >= end) return NOT_JSON;
        if (block[at] !== (isObject ? CLOSE_BRACE : CLOSE_BRACKET)) {
          stack[open++] = isObject ? 1 : 0;
          if (isObject) {
            at = this.scanKey(at, end);
            if (at === NOT_JSON) return NOT_JSON;
          }
          continue;
        }
        at += 1;
      } else {
        at = this.scanScalar(at, end);
        if (at === NOT_JSON) return NOT_JSON;
      }
      // After a value.
      for (;;) {
        if (open === 0) return at;
        at = this.skipSpace(at, end);
        if (at >= end) return NOT_JSON;
        const isObject = stack[open - 1] === 1;
        if (block[at] === COMMA) {
          at = this.skipSpace(at + 1, end);
          if (isObject) at = this.scanKey(at, end);
          if (at === NOT_JSON || at >= end) return NOT_JSON;
          break;
        }
        if (block[at] !== (isObject ? CLOSE_BRACE : CLOSE_BRACKET)) return NOT_JSON;
        at += 1;
        open -= 1;
      }
    }
  }

  /** True when the key's bytes equal `name`, which must be ASCII without quotes and backslashes; a key with escapes never does. */
  keyIs(keyStart: number, keyEnd: number, name: string): boolean {
    if (keyEnd - keyStart !== name.length) return false;
    for (let i = 0; i < name.length; i += 1) {
      if (this.bytes[keyStart + i] !== name.charCodeAt(i)) return false;
    }
    return true;
  }

  /** True when the bytes equal others: two keys with equal bytes are the same; two with different bytes are also if only their escapes differ. */
  bytesAre(start: number, end: number, bytes: Uint8Array): boolean {
    if (end - start !== bytes.length) return false;
    let i = 0;
    while (i < bytes.length && this.bytes[start + i] === bytes[i]) i += 1;
    return i === bytes.length;
  }

  /** True when the bytes contain a backslash: the text must be decoded before it is compared. */
  hasEscape(start: number, end: number): boolean {
    for (let i = start; i < end; i += 1) if (this.bytes[i] === BACKSLASH) return true;
    return false;
  }

  /** Scans a key and its colon and returns the offset of the value. */
  private scanKey(at: number, end: number): number {
    at = this.scanString(at, end);
    if (at === NOT_JSON) return NOT_JSON;
    at = this.skipSpace(at, end);
    return at < end && this.bytes[at] === COLON ? this.skipSpace(at + 1, end) : NOT_JSON;
  }

  private scanScalar(at: number, end: number): number {
    if (at >= end) return NOT_JSON;
    const block = this.bytes;
    switch (block[at]!) {
      case QUOTE:
        return this.scanString(at, end);
      case 0x74: // true
        return block[at + 1] === 0x72 && block[at + 2] === 0x75 && block[at + 3] === 0x65 && at + 4 <= end
          ? at + 4
          : NOT_JSON;
      case 0x66: // false
        return block[at + 1] === 0x61 &&
          block[at + 2] === 0x6c &&
          block[at + 3] === 0x73 &&
          block[at + 4] === 0x65 &&
          at + 5 <= end
          ? at + 5
          : NOT_JSON;
      case 0x6e: // null
        return block[at + 1] === 0x75 && block[at + 2] === 0x6c && block[at + 3] === 0x6c && at + 4 <= end
          ? at + 4
          : NOT_JSON;
      default:
        return this.scanNumber(at, end);
    }
  }

  private scanString(at: number, end: number): number {
    const { bytes: block, view } = this;
    if (at >= end || block[at] !== QUOTE) return NOT_JSON;
    at += 1;
    const lastWord = end - 4;
    while (at < end) {
      if (at <= lastWord) {
        const marks = specialBytes(view.getInt32(at, true));
        if (marks === 0) {
          at += 4;
          continue;
        }
        at += 3 - (Math.clz32(marks & -marks) >> 3); // to the first of them
      }
      const byte = block[at]!;
      if (byte === QUOTE) return at + 1;
      if (byte < 0x20) return NOT_JSON;
      if (byte === BACKSLASH) {
        const escaped = block[at + 1];
        if (escaped === 0x75) {
          for (let i = at + 2; i < at + 6; i += 1) if (!isHex(block[i]!)) return NOT_JSON;
          at += 6;
        } else if (
          escaped === QUOTE ||
          escaped === BACKSLASH ||
          escaped === 0x2f ||
          escaped === 0x62 ||
          escaped === 0x66 ||
          escaped === 0x6e ||
          escaped === 0x72 ||
          escaped === 0x74
        ) {
          at += 2;
        } else {
          return NOT_JSON;
        }
      } else {
        at += 1;
      }
    }
    return NOT_JSON;
  }

  private scanNumber(at: number, end: number): number {
    const block = this.bytes;
    if (block[at] === MINUS) at += 1;
    if (at >= end) return NOT_JSON;
    if (block[at] === ZERO) {
      at += 1;
    } else {
      const digits = this.scanDigits(at, end);
      if (digits === at) return NOT_JSON;
      at = digits;
    }
    if (at < end && block[at] === DOT) {
      const digits = this.scanDigits(at + 1, end);
      if (digits === at + 1) return NOT_JSON;
      at = digits;
    }
    if (at < end && (block[at] === 0x65 || block[at] === 0x45)) {
      at += 1;
      if (at < end && (block[at] === PLUS || block[at] === MINUS)) at += 1;
      const digits = this.scanDigits(at, end);
      if (digits === at) return NOT_JSON;
      at = digits;
    }
    return at;
  }

  private scanDigits(at: number, end: number): number {
    const block = this.bytes;
    while (at < end && block[at]! >= ZERO && block[at]! <= 0x39) at += 1;
    return at;
  }
}

function viewOf({ buffer, byteOffset, length }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, length);
}

/**
 * Marks the bytes of a word that are a quote, a backslash or below 0x20 by their highest bit, all others by 0; bytes above the lowest
 * mark may be marked wrongly. Four bytes at a time take less than half the time. https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord
 */
function specialBytes(word: number): number {
  const quote = word ^ 0x22222222;
  const backslash = word ^ 0x5c5c5c5c;
  const zeros = ((quote - 0x01010101) & ~quote) | ((backslash - 0x01010101) & ~backslash);
  return (zeros | ((word - 0x20202020) & ~word)) & 0x80808080;
}

function isHex(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);
}
