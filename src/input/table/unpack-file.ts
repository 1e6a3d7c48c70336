import { createReadStream, createWriteStream } from 'node:fs';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as zlib from 'node:zlib';
import type { Compression } from './table-format.ts';
import type { BatchError } from '../../core/errors.ts';
import { unreadableFile } from './expand-paths.ts';
import { tableError } from './table-error.ts';

/** Node 22.15 and later. */
const { createZstdDecompress } = zlib as { createZstdDecompress?: () => Duplex };

/**
 * Unpacks a file to another one, and checks that it is whole.
 * @throws BatchError `bad_input`
 */
export async function unpackFile(
  path: string,
  compression: Exclude<Compression, 'none'>,
  target: string,
  source: string,
): Promise<void> {
  const unpack = compression === 'gzip' ? zlib.createGunzip : createZstdDecompress;
  if (unpack === undefined) {
    const reason = 'is compressed with zstd as a whole, which Node before 22.15 cannot unpack for Parquet';
    throw tableError({ source }, reason, 'unpack it first, e.g. with unzstd');
  }
  try {
    await pipeline(createReadStream(path), unpack(), createWriteStream(target));
  } catch (error) {
    const { code = '', syscall, path: failed } = error as NodeJS.ErrnoException;
    if (syscall === 'read' || failed === path) throw unreadableFile(source, error);
    if (!/^(?:Z_|ZSTD_)/.test(code)) throw error;
    throw cannotBeUnpacked(source);
  }
}

/** The error of a file that is not whole. */
export function cannotBeUnpacked(source: string): BatchError {
  return tableError({ source }, 'cannot be unpacked', 'it may be cut off or not compressed: write it again');
}
