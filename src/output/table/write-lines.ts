import { open } from 'node:fs/promises';

/** Characters written at a time. */
const PIECE_CHARACTERS = 1 << 18;

/** Writes lines to a new file; each call of `add` takes texts that end with a line feed. Returns the bytes. */
export async function writeLines(
  path: string,
  write: (add: (text: string) => Promise<void> | undefined) => Promise<void>,
): Promise<number> {
  const file = await open(path, 'wx');
  let piece = '';
  const flush = async (): Promise<void> => {
    const text = piece;
    piece = '';
    await file.writeFile(text);
  };
  try {
    await write((text) => {
      piece += text;
      return piece.length < PIECE_CHARACTERS ? undefined : flush();
    });
    await flush();
    return (await file.stat()).size;
  } finally {
    await file.close();
  }
}
