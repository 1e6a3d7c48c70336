import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';

/** Consecutive whole lines of a file: few enough to hold in memory, many enough that each is not read by a call of its own. */
export interface LineBlock {
  offset: number;
  bytes: number;
  /** The number of its first line in the file, from 1. */
  firstLine: number;
  lines: number;
}

const BLOCK_BYTES = 256 * 1024;
const NEWLINE = 0x0a;

/** A block and its bytes, which are valid only until the next block is read. */
export interface ReadBlock {
  block: LineBlock;
  bytes: Buffer;
}

/**
 * Cuts a file into blocks. Lines end at `\n` only: U+2028 and a lone `\r` are legal inside a JSON string. A line longer
 * than a block becomes a block of its own.
 */
export async function* readBlocks(path: string): AsyncGenerator<ReadBlock> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    let buffer = Buffer.allocUnsafe(BLOCK_BYTES);
    let offset = 0;
    let firstLine = 1;
    while (offset < size) {
      const wanted = Math.min(buffer.length, size - offset);
      await readFully(file, buffer, wanted, offset);
      const atEnd = offset + wanted === size;
      const bytes = atEnd ? wanted : buffer.subarray(0, wanted).lastIndexOf(NEWLINE) + 1;
      if (bytes === 0) {
        buffer = Buffer.allocUnsafe(buffer.length * 2);
        continue;
      }
      const view = buffer.subarray(0, bytes);
      const lines = countLines(view);
      yield { block: { offset, bytes, firstLine, lines }, bytes: view };
      offset += bytes;
      firstLine += lines;
    }
  } finally {
    await file.close();
  }
}

/** The blocks without their bytes, for a batch that continues after a restart. */
export async function indexBlocks(path: string): Promise<LineBlock[]> {
  const blocks: LineBlock[] = [];
  for await (const { block } of readBlocks(path)) blocks.push(block);
  return blocks;
}

export async function readBlock(file: FileHandle, block: LineBlock): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(block.bytes);
  await readFully(file, bytes, block.bytes, block.offset);
  return bytes;
}

/** The offset of each line of a block, and the end of the last one. */
export function lineStarts(bytes: Buffer, lines: number): Uint32Array {
  const starts = new Uint32Array(lines + 1);
  let at = 0;
  for (let line = 1; line < lines; line++) {
    at = bytes.indexOf(NEWLINE, at) + 1;
    starts[line] = at;
  }
  starts[lines] = bytes.length;
  return starts;
}

/** The text of one line without its newline. */
export function lineText(bytes: Buffer, starts: Uint32Array, line: number): string {
  const end = starts[line + 1] as number;
  return bytes.toString('utf8', starts[line], bytes[end - 1] === NEWLINE ? end - 1 : end);
}

function countLines(bytes: Buffer): number {
  let lines = bytes[bytes.length - 1] === NEWLINE ? 0 : 1;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) lines++;
  return lines;
}

async function readFully(file: FileHandle, buffer: Buffer, bytes: number, offset: number): Promise<void> {
  let done = 0;
  while (done < bytes) {
    const { bytesRead } = await file.read(buffer, done, bytes - done, offset + done);
    if (bytesRead === 0) throw new Error('The file was truncated while it was read.');
    done += bytesRead;
  }
}
