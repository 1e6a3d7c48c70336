import { isAscii } from 'node:buffer';

/**
 * Characters that JSON allows raw inside strings, although some servers split a file into lines at them:
 * U+2028, U+2029 and U+0085. JSON parsers read the raw and the escaped form as the same character.
 */
const separators = [
  { raw: Buffer.from('\u2028'), escaped: Buffer.from('\\u2028') },
  { raw: Buffer.from('\u2029'), escaped: Buffer.from('\\u2029') },
  { raw: Buffer.from('\u0085'), escaped: Buffer.from('\\u0085') },
] as const;

const NONE = Number.POSITIVE_INFINITY;

/**
 * Finds raw separators in a block whose lines are checked one after another. Native code searches the block once for
 * all its lines: most blocks have none.
 */
export class SeparatorSearch {
  private block: Buffer = Buffer.alloc(0);
  /** The next position of each separator. */
  private readonly next: [number, number, number] = [NONE, NONE, NONE];

  /** Begins a block of valid UTF-8. */
  begin(block: Buffer): void {
    this.block = block;
    const { next } = this;
    if (isAscii(block)) next.fill(NONE);
    else
      for (const which of [0, 1, 2] as const) next[which] = holds(block, separators[which].raw) ? -1 : NONE;
  }

  /** The number of bytes that escaping adds to `block[start..end)`; calls are in ascending order. */
  growth(start: number, end: number): number {
    let growth = 0;
    for (let from = start; ;) {
      const which = this.first(from);
      const at = this.next[which];
      if (at >= end) return growth;
      const { raw, escaped } = separators[which];
      growth += escaped.length - raw.length;
      from = at + raw.length;
    }
  }

  /** The bytes of the block with every raw separator escaped; the block itself when it has none. */
  escaped(): Buffer {
    const pieces: Buffer[] = [];
    let from = 0;
    for (;;) {
      const which = this.first(from);
      const at = this.next[which];
      if (at === NONE) break;
      const { raw, escaped } = separators[which];
      pieces.push(this.block.subarray(from, at), escaped);
      from = at + raw.length;
    }
    return from === 0 ? this.block : Buffer.concat([...pieces, this.block.subarray(from)]);
  }

  /** The index of the first separator from a position on. */
  private first(from: number): 0 | 1 | 2 {
    const { next, block } = this;
    for (let which = 0; which < next.length; which += 1) {
      if (next[which]! >= from) continue;
      const at = block.indexOf(separators[which]!.raw, from);
      next[which] = at === -1 ? NONE : at;
    }
    if (next[0] <= next[1]) return next[0] <= next[2] ? 0 : 2;
    return next[1] <= next[2] ? 1 : 2;
  }
}

/** Size of the sample that decides which search is faster. */
const SAMPLE_BYTES = 2_048;

/**
 * True when the block contains the bytes. The native search stops at each byte that equals the first one, and a backward search at each
 * that equals the last one: quotes and dashes share the first bytes of U+2028, French letters share its last one.
 */
function holds(block: Buffer, raw: Buffer): boolean {
  if (block.length <= SAMPLE_BYTES) return block.includes(raw);
  const [first, last] = [raw[0]!, raw.at(-1)!];
  let lead = 0;
  for (let i = Math.min(block.length, SAMPLE_BYTES) - 1; i >= 0; i -= 1) {
    if (block[i] === first) lead += 1;
    else if (block[i] === last) lead -= 1;
  }
  return (lead > 0 ? block.lastIndexOf(raw) : block.indexOf(raw)) !== -1;
}

const search = new SeparatorSearch();

/** The number of bytes that escaping adds to JSON. */
export function separatorGrowth(json: Buffer): number {
  search.begin(json);
  return search.growth(0, json.length);
}

/** JSON with its raw separators escaped; the same buffer when it has none. */
export function escapeSeparators(json: Buffer): Buffer {
  search.begin(json);
  return search.escaped();
}
