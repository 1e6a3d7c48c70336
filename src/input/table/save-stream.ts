import { open, rename } from 'node:fs/promises';
import { detectCompression, type TableFormat } from './table-format.ts';

const endings = { none: '', gzip: '.gz', zstd: '.zst' } as const;

/**
 * Saves a stream to a file of a folder, so that it can be read like any other, and returns the file's path. Whether it is compressed is
 * detected from its first bytes.
 */
export async function saveStream(
  bytes: AsyncIterable<Uint8Array>,
  folder: string,
  format: TableFormat,
): Promise<string> {
  const path = `${folder}/input.${format}`;
  const file = await open(path, 'wx+');
  try {
    for await (const chunk of bytes) await file.writeFile(chunk);
    const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0);
    const packed = `${path}${endings[detectCompression(buffer)]}`;
    await rename(path, packed);
    return packed;
  } finally {
    await file.close();
  }
}
