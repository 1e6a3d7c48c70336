import { open } from 'node:fs/promises';

const FRAME = 0xfd2fb528;
const SKIPPABLE_FRAME = 0x184d2a50;

/** Bytes of the dictionary id and of the content size, by their flags. */
const DICTIONARY_BYTES = [0, 1, 2, 4] as const;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;

/**
 * True when a zstd file is not cut off: DuckDB would take the rows before the cut for all of them. Follows the sizes of frames and blocks
 * without unpacking (RFC 8878).
 */
export async function isWholeZstd(path: string): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const numberAt = async (at: number, bytes: number): Promise<number | null> => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, at);
      return bytesRead === bytes ? buffer.readUIntLE(0, bytes) : null;
    };
    let at = 0;
    while (at < size) {
      const magic = await numberAt(at, 4);
      if (magic === null) return false;
      if (magic - (magic % 16) === SKIPPABLE_FRAME) {
        const skipped = await numberAt(at + 4, 4);
        if (skipped === null) return false;
        at += 8 + skipped;
        continue;
      }
      const flags = await numberAt(at + 4, 1);
      if (magic !== FRAME || flags === null) return false;
      at += 5 + headerBytes(flags);
      for (let isLast = false; !isLast;) {
        const block = await numberAt(at, 3);
        if (block === null) return false;
        isLast = block % 2 === 1;
        const isOneByte = ((block >> 1) & 3) === 1;
        at += 3 + (isOneByte ? 1 : block >> 3);
      }
      if ((flags & 4) !== 0) at += 4; // checksum
    }
    return at === size && size > 0;
  } finally {
    await file.close();
  }
}

/** Bytes of a frame's header after its flags. */
function headerBytes(flags: number): number {
  const isSingleSegment = (flags & 0x20) !== 0;
  const sizeFlag = flags >> 6;
  const contentSize = sizeFlag === 0 && isSingleSegment ? 1 : CONTENT_SIZE_BYTES[sizeFlag]!;
  return (isSingleSegment ? 0 : 1) + DICTIONARY_BYTES[flags & 3]! + contentSize;
}
