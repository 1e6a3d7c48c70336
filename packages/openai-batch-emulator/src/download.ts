import { createReadStream } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { CallFault } from './faults/call-fault.ts';

/** A file to send, with the faults of the download. */
export interface Download {
  /** The path of the file, or its bytes. */
  source: string | Buffer;
  bytes: number;
  filename: string;
  faults: readonly CallFault[];
}

const READ_BUFFER_BYTES = 256 * 1024;

/**
 * Sends the bytes with their length in `content-length`. `onComplete` is called just before the last chunk is sent, so that
 * a client that has read everything finds it recorded; it is not called if a fault withholds bytes.
 */
export async function sendDownload(
  response: ServerResponse,
  download: Download,
  onComplete: () => void,
): Promise<void> {
  const { bytes, source } = download;
  const stall = download.faults.find((fault) => fault.kind === 'stall');
  const truncate = download.faults.find((fault) => fault.kind === 'truncate');
  const slow = download.faults.find((fault) => fault.kind === 'slow');
  const cut = Math.floor(bytes * (stall?.afterFraction ?? truncate?.afterFraction ?? 0.5));
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-disposition': `attachment; filename="${encodeURIComponent(download.filename)}"`,
    'content-length': truncate?.clean ? cut : bytes,
  });
  if (truncate) {
    await pipeline(readRange(source, 0, cut), response, { end: false });
    if (truncate.clean) response.end();
    else response.destroy();
    return;
  }
  if (stall) {
    response.flushHeaders();
    await pipeline(readRange(source, 0, cut), response, { end: false });
    if (stall.ms === undefined) return;
    await delay(stall.ms, undefined, { ref: false });
  }
  const rest = readRange(source, stall ? cut : 0, bytes);
  await pipeline(beforeLast(slow ? inPieces(rest, bytes, slow) : rest, onComplete), response);
}

async function* inPieces(
  chunks: AsyncIterable<Buffer>,
  bytes: number,
  { pieces = 10, ms = 100 }: { pieces?: number | undefined; ms?: number | undefined },
): AsyncGenerator<Buffer> {
  const size = Math.max(1, Math.ceil(bytes / pieces));
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += size) {
      await delay(ms, undefined, { ref: false });
      yield chunk.subarray(at, at + size);
    }
  }
}

async function* readRange(source: string | Buffer, from: number, to: number): AsyncGenerator<Buffer> {
  if (to <= from) return;
  if (typeof source !== 'string') yield source.subarray(from, to);
  else yield* createReadStream(source, { start: from, end: to - 1, highWaterMark: READ_BUFFER_BYTES });
}

/** Yields the chunks, and makes the call before the last one. */
async function* beforeLast(chunks: AsyncIterable<Buffer>, call: () => void): AsyncGenerator<Buffer> {
  let held: Buffer | undefined;
  for await (const chunk of chunks) {
    if (held) yield held;
    held = chunk;
  }
  call();
  if (held) yield held;
}
