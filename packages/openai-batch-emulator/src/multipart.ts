import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Busboy } from '@fastify/busboy';
import type { BusboyHeaders, BusboyInstance } from '@fastify/busboy';
import { ApiError, missingParameter } from './api-error.ts';

export interface MultipartOptions {
  /** The field with the bytes of the file. */
  fileField: string;
  /** Where the bytes are written. */
  path: string;
  maxBytes: number;
  /** The limit of a fault, and the error beyond it. */
  limit?: { bytes: number; refusal: ApiError } | undefined;
  /** A fault resets the connection once this many bytes have arrived. */
  resetAfterBytes: number | undefined;
}

export interface Multipart {
  fields: Map<string, string>;
  filename: string;
}

const WRITE_BUFFER_BYTES = 1024 * 1024;

/** Reads a multipart body and writes its file to disk as it arrives. The file is removed if the body is refused or incomplete. */
export async function readMultipart(request: IncomingMessage, options: MultipartOptions): Promise<Multipart> {
  try {
    const multipart = await receive(
      request,
      openParser(request, Math.min(options.maxBytes, options.limit?.bytes ?? Number.POSITIVE_INFINITY)),
      options,
    );
    if (multipart.filename === undefined) throw missingParameter(options.fileField);
    return { ...multipart, filename: multipart.filename };
  } catch (error) {
    // The rest of the body must be read, or a client that is still sending would not get the response.
    request.unpipe();
    request.resume();
    await rm(options.path, { force: true });
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
  options: MultipartOptions,
): Promise<{ fields: Map<string, string>; filename: string | undefined }> {
  const fields = new Map<string, string>();
  let filename: string | undefined;
  let bytes: Readable | undefined;
  let written: Promise<void> = Promise.resolve();
  try {
    await new Promise<void>((resolve, reject) => {
      parser.on('field', (name, value) => fields.set(name, value));
      parser.on('file', (name, stream, givenName) => {
        if (name !== options.fileField || bytes) return stream.resume();
        filename = givenName ?? '';
        bytes = stream;
        stream.once('limit', () =>
          reject(
            options.limit && options.limit.bytes < options.maxBytes
              ? options.limit.refusal
              : new ApiError(400, 'File is too large.'),
          ),
        );
        written = pipeline(stream, createWriteStream(options.path, { highWaterMark: WRITE_BUFFER_BYTES }));
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
      if (options.resetAfterBytes !== undefined) resetAfter(request, options.resetAfterBytes);
      request.pipe(parser);
    });
    await written;
    return { fields, filename };
  } catch (error) {
    // Without its parser the stream would never end, and the file would never be closed.
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
