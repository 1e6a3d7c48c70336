/** Characters written at a time. */
const PIECE_CHARACTERS = 1 << 18;

/** Joins rows to pieces large enough for one write, each row with a line feed. */
export async function* inPieces(rows: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  let piece = '';
  for await (const row of rows) {
    piece += `${row}\n`;
    if (piece.length < PIECE_CHARACTERS) continue;
    yield piece;
    piece = '';
  }
  yield piece;
}
