/** How documents are cut into chunks. */
export interface ChunkOptions {
  /** The estimated tokens of a chunk, at most. */
  readonly tokens: number;
  /** The estimated tokens at the end of a chunk that the next one repeats, at most; up to half of `tokens`. @default 0 */
  readonly overlap?: number;
}

/** Costs are whole numbers: four of them are a token. */
const PER_TOKEN = 4;

/**
 * Cuts a text into chunks: at the end of a paragraph if that leaves the chunk at least half full, else at the end of a sentence or line,
 * else between words. Chunks are parts of the text, without white space around them; a text without any is one chunk.
 *
 * Tokens are an estimate that needs no model: four ASCII characters are a token, and every other character is one.
 */
export function chunkText(text: string, { tokens, overlap = 0 }: ChunkOptions): string[] {
  const budget = tokens * PER_TOKEN;
  const pieces = toPieces(text, budget);
  const chunks: string[] = [];
  let from = 0;
  let done = 0; // pieces that a chunk has
  while (done < pieces.length) {
    let to = from;
    let cost = 0;
    let paragraph = 0;
    for (; to < pieces.length && cost + pieces[to]!.cost <= budget; to += 1) {
      cost += pieces[to]!.cost;
      if (pieces[to]!.endsParagraph && cost * 2 >= budget && to >= done) paragraph = to + 1;
    }
    if (to < pieces.length && paragraph > 0) to = paragraph;
    chunks.push(text.slice(pieces[from]!.start, pieces[to - 1]!.end).trim());
    done = to;
    from = startOfNext(pieces, from + 1, to, overlap * PER_TOKEN, budget);
  }
  return chunks.length === 0 ? [text.trim()] : chunks;
}

/** The first piece of the chunk after `to`: as many as fit into the overlap, and leave room for the piece at `to`. */
function startOfNext(
  pieces: readonly Piece[],
  least: number,
  to: number,
  overlap: number,
  budget: number,
): number {
  const most = Math.min(overlap, budget - (pieces[to]?.cost ?? 0));
  let from = to;
  let cost = 0;
  while (from > least && cost + pieces[from - 1]!.cost <= most) {
    from -= 1;
    cost += pieces[from]!.cost;
  }
  return from;
}

/** A part of the text that is not cut, with the white space after it. */
interface Piece {
  readonly start: number;
  readonly end: number;
  readonly cost: number;
  readonly endsParagraph: boolean;
}

/** The end of a sentence or line, and the white space after it. */
const ends = /(?:[.!?]["'”’)\]*_]*(?=\s)|[。！？]+[」』”’）]*|(?=\n))\s*/g;

function toPieces(text: string, budget: number): Piece[] {
  const pieces: Piece[] = [];
  let start = /^\s*/.exec(text)![0].length;
  const add = (end: number): void => {
    const space = /\s*$/.exec(text.slice(Math.max(start, end - 100), end))![0];
    const endsParagraph = /\n[^\S\n]*\n/.test(space);
    for (let at = start; at < end;) {
      const [cut, cost] = cutWords(text, at, end, budget);
      pieces.push({ start: at, end: cut, cost, endsParagraph: endsParagraph && cut === end });
      at = cut;
    }
    start = end;
  };
  for (const {
    index,
    0: { length },
  } of text.matchAll(ends))
    if (index + length > start) add(index + length);
  if (start < text.length) add(text.length);
  return pieces;
}

/** Where a part of the text that fits into the budget ends, and its cost. */
function cutWords(text: string, start: number, end: number, budget: number): [cut: number, cost: number] {
  let cost = 0;
  let afterSpace: [cut: number, cost: number] | null = null;
  for (let at = start; at < end; at += 1) {
    const code = text.charCodeAt(at);
    // The second half of a surrogate pair is not cut off, and costs nothing.
    const more = code < 0x80 ? 1 : code >= 0xdc00 && code <= 0xdfff ? 0 : PER_TOKEN;
    if (cost + more > budget && at > start) return afterSpace ?? [at, cost];
    cost += more;
    if (code === 0x20 || code === 0x0a || code === 0x09) afterSpace = [at + 1, cost];
  }
  return [end, cost];
}
