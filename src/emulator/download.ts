import { createReadStream } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { CallFault } from './fault-rule.ts';

/** A file to be sent, with what shall go wrong on the way. */
export interface Download {
  path: string;
  bytes: number;
  filename: string;
  faults: readonly CallFault[];
}

const READ_BUFFER_BYTES = 256 * 1024;

/** Sends the bytes with their length announced; says whether all of them went out. */
export async function sendDownload(response: ServerResponse, download: Download): Promise<boolean> {
  const stall = download.faults.find((fault) => fault.kind === 'stall');
  const truncate = download.faults.find((fault) => fault.kind === 'truncate');
  const cut = Math.floor(download.bytes * (stall?.afterFraction ?? truncate?.afterFraction ?? 0.5));
  const announced = truncate?.clean ? cut : download.bytes;
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-disposition': `attachment; filename="${encodeURIComponent(download.filename)}"`,
    'content-length': announced,
  });
  if (!stall && !truncate) {
    await send(response, download.path, 0, download.bytes, true);
    return true;
  }
  response.flushHeaders();
  await send(response, download.path, 0, cut, false);
  if (truncate) {
    if (truncate.clean) response.end();
    else response.destroy();
    return false;
  }
  if (stall?.ms === undefined) return false;
  await delay(stall.ms, undefined, { ref: false });
  await send(response, download.path, cut, download.bytes, true);
  return true;
}

async function send(
  response: ServerResponse,
  path: string,
  from: number,
  to: number,
  end: boolean,
): Promise<void> {
  if (to > from) {
    const bytes = createReadStream(path, { start: from, end: to - 1, highWaterMark: READ_BUFFER_BYTES });
    await pipeline(bytes, response, { end });
  } else if (end) response.end();
}
