import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Busboy } from '@fastify/busboy';
import type { BusboyHeaders, BusboyInstance } from '@fastify/busboy';
import { ApiError, missingParameter } from './api-error.ts';

export interface MultipartOptions {
  /** The field that holds the bytes. */
  fileField: string;
  /** Where they go. */
  path: string;
  maxBytes: number;
  /** A fault's own limit, and what is answered beyond it. */
  limit?: { bytes: number; refusal: ApiError } | undefined;
  /** A fault resets the connection once so many bytes have come in. */
  resetAfterBytes: number | undefined;
}

export interface Multipart {
  fields: Map<string, string>;
  filename: string;
}

const WRITE_BUFFER_BYTES = 1024 * 1024;

/** Reads a multipart body, its file going to disk as it comes; a refused or broken one leaves nothing behind. */
export async function readMultipart(request: IncomingMessage, terms: MultipartOptions): Promise<Multipart> {
  try {
    const multipart = await receive(
      request,
      openParser(request, Math.min(terms.maxBytes, terms.limit?.bytes ?? Number.POSITIVE_INFINITY)),
      terms,
    );
    if (multipart.filename === undefined) throw missingParameter(terms.fileField);
    return { ...multipart, filename: multipart.filename };
  } catch (error) {
    // What is left of the body has to be read away, or the answer would not reach a client that is still sending.
    request.unpipe();
    request.resume();
    await rm(terms.path, { force: true });
    throw error;
  }
}

function openParser(request: IncomingMessage, maxBytes: number): BusboyInstance {
  try {
    return new Busboy({
      headers: request.headers as BusboyHeaders,
      limits: { fileSize: maxBytes },
      highWaterMark: WRITE_BUFFER_BYTES,
      fileHwm: WRITE_BUFFER_BYTES,
    });
  } catch {
    throw new ApiError(400, 'Could not parse multipart form: the boundary is missing from the content type.');
  }
}

async function receive(
  request: IncomingMessage,
  parser: BusboyInstance,
  terms: MultipartOptions,
): Promise<{ fields: Map<string, string>; filename: string | undefined }> {
  const fields = new Map<string, string>();
  let filename: string | undefined;
  let bytes: Readable | undefined;
  let written: Promise<void> = Promise.resolve();
  try {
    await new Promise<void>((resolve, reject) => {
      parser.on('field', (name, value) => fields.set(name, value));
      parser.on('file', (name, stream, givenName) => {
        if (name !== terms.fileField || bytes) return stream.resume();
        filename = givenName ?? '';
        bytes = stream;
        stream.once('limit', () =>
          reject(
            terms.limit && terms.limit.bytes < terms.maxBytes
              ? terms.limit.refusal
              : new ApiError(400, 'File is too large.'),
          ),
        );
        written = pipeline(stream, createWriteStream(terms.path, { highWaterMark: WRITE_BUFFER_BYTES }));
        written.catch(reject);
        return undefined;
      });
      parser.once('error', (error) =>
        reject(new ApiError(400, `Could not parse multipart form: ${String(error)}`)),
      );
      parser.once('finish', resolve);
      request.once('close', () => {
        if (!request.complete)
          reject(new ApiError(400, 'The connection was closed before the form was complete.'));
      });
      if (terms.resetAfterBytes !== undefined) resetAfter(request, terms.resetAfterBytes);
      request.pipe(parser);
    });
    await written;
    return { fields, filename };
  } catch (error) {
    // Without its parser the stream would never end, and the file being written never be closed.
    bytes?.destroy();
    await written.catch(() => undefined);
    throw error;
  }
}

function resetAfter(request: IncomingMessage, bytes: number): void {
  let received = 0;
  request.on('data', (chunk: Buffer) => {
    received += chunk.length;
    if (received >= bytes) request.socket.resetAndDestroy();
  });
}
