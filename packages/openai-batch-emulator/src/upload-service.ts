import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, mkdirSync } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ApiError, assertInteger, invalidType, missingParameter } from './api-error.ts';
import type { Clock } from './clock.ts';
import { toFileObject } from './file-storage.ts';
import type { FileObject, FileRecord, FileStorage } from './file-storage.ts';
import type { FileFault } from './faults/file-fault.ts';
import { parseExpiresAfter, assertUploadPurpose } from './file-parameters.ts';
import type { Journal } from './journal.ts';
import { assertJsonlFilename } from './assert-batch-input-file.ts';
import { newPartId, newUploadId } from './object-ids.ts';

interface PartRecord {
  id: string;
  bytes: number;
}

/** An upload in the journal; the bytes of its parts are in the folder `parts`. */
export interface UploadRecord {
  id: string;
  bytes: number;
  filename: string;
  mimeType: string;
  purpose: string;
  expiresAfterSeconds: number | null;
  createdAtMs: number;
  expiresAtMs: number;
  status: 'pending' | 'completing' | 'completed' | 'cancelled' | 'expired';
  parts: PartRecord[];
  file: FileRecord | null;
}

export interface UploadObject {
  id: string;
  object: 'upload';
  bytes: number;
  created_at: number;
  expires_at: number;
  filename: string;
  purpose: string;
  status: 'pending' | 'completed' | 'cancelled' | 'expired';
  file: FileObject | null;
}

export interface PartObject {
  id: string;
  object: 'upload.part';
  created_at: number;
  upload_id: string;
}

const LIFE_MS = 3_600_000;
const MAX_UPLOAD_BYTES = 8 * 1024 ** 3;

/** The uploads of an account: parts arrive in any order and are joined in the order given at completion. */
export class UploadService {
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #files: FileStorage;
  readonly #uploads = new Map<string, UploadRecord>();

  constructor(dataDir: string, clock: Clock, journal: Journal, files: FileStorage) {
    this.#folder = join(dataDir, 'parts');
    this.#clock = clock;
    this.#journal = journal;
    this.#files = files;
    mkdirSync(this.#folder, { recursive: true });
  }

  restore(record: UploadRecord): void {
    // A completion that a kill interrupted has created no file, so it can be repeated.
    const status = record.status === 'completing' ? 'pending' : record.status;
    this.#uploads.set(record.id, { ...record, status });
  }

  create(body: Record<string, unknown>): UploadObject {
    const { bytes, filename, purpose, mime_type: mimeType } = body;
    for (const [name, value] of Object.entries({ bytes, filename, mime_type: mimeType, purpose })) {
      if (value === undefined || value === null) throw missingParameter(name);
    }
    assertInteger('bytes', bytes, 1, MAX_UPLOAD_BYTES);
    if (typeof filename !== 'string') throw invalidType('filename', 'a string', filename);
    if (typeof mimeType !== 'string') throw invalidType('mime_type', 'a string', mimeType);
    assertUploadPurpose(purpose);
    if (purpose === 'batch') assertJsonlFilename(filename);
    const now = this.#clock.now();
    const record: UploadRecord = {
      id: newUploadId(),
      bytes,
      filename,
      mimeType,
      purpose,
      expiresAfterSeconds: parseExpiresAfter(body['expires_after'], 'expires_after') ?? null,
      createdAtMs: now,
      expiresAtMs: now + LIFE_MS,
      status: 'pending',
      parts: [],
      file: null,
    };
    this.#save(record);
    return toUploadObject(record);
  }

  /** Throws before the bytes of a part are read if the upload is not pending. */
  assertPending(uploadId: string): void {
    this.#pending(uploadId);
  }

  /** Adds a part whose bytes have arrived completely. */
  async addPart(uploadId: string, path: string): Promise<PartObject> {
    const { size } = await stat(path);
    const id = newPartId();
    await rename(path, join(this.#folder, id));
    const record = this.#pending(uploadId);
    record.parts.push({ id, bytes: size });
    this.#save(record);
    return { id, object: 'upload.part', created_at: this.#clock.nowSeconds(), upload_id: uploadId };
  }

  /** Joins the parts in the given order and creates the file; the upload stays pending if the completion is refused. */
  async complete(
    uploadId: string,
    body: Record<string, unknown>,
    faults: readonly FileFault[],
  ): Promise<UploadObject> {
    const record = this.#pending(uploadId);
    const parts = partsInOrder(record, body['part_ids']);
    const total = parts.reduce((sum, part) => sum + part.bytes, 0);
    if (total !== record.bytes)
      throw new ApiError(
        400,
        `The total bytes of the parts (${total}) do not match the bytes of the upload (${record.bytes}).`,
        { param: 'part_ids' },
      );

    // Set before the copying starts, so that a concurrent second completion is refused.
    record.status = 'completing';
    const joined = join(this.#folder, `${record.id}.joined`);
    try {
      const md5 = await this.#join(parts, joined);
      if (typeof body['md5'] === 'string' && body['md5'].toLowerCase() !== md5)
        throw new ApiError(400, `The md5 of the upload is '${md5}', not '${body['md5']}'.`, { param: 'md5' });
      const newFile = {
        filename: record.filename,
        purpose: record.purpose,
        expiresAfterSeconds: record.expiresAfterSeconds ?? undefined,
      };
      record.file = await this.#files.adopt(joined, newFile, faults);
      record.status = 'completed';
    } catch (error) {
      record.status = 'pending';
      await rm(joined, { force: true });
      throw error;
    }
    this.#save(record);
    await this.#deleteParts(record);
    return toUploadObject(record);
  }

  async cancel(uploadId: string): Promise<UploadObject> {
    const record = this.#pending(uploadId);
    record.status = 'cancelled';
    this.#save(record);
    await this.#deleteParts(record);
    return toUploadObject(record);
  }

  async clear(): Promise<void> {
    this.#uploads.clear();
    await rm(this.#folder, { recursive: true, force: true });
    mkdirSync(this.#folder, { recursive: true });
  }

  async #join(parts: readonly PartRecord[], path: string): Promise<string> {
    const md5 = createHash('md5');
    const folder = this.#folder;
    const bytes = async function* (): AsyncGenerator<Buffer> {
      for (const part of parts) {
        for await (const chunk of createReadStream(join(folder, part.id), { highWaterMark: 256 * 1024 })) {
          md5.update(chunk as Buffer);
          yield chunk as Buffer;
        }
      }
    };
    await pipeline(bytes, createWriteStream(path));
    return md5.digest('hex');
  }

  #pending(uploadId: string): UploadRecord {
    const record = this.#uploads.get(uploadId);
    if (!record) throw new ApiError(404, `No such Upload object: ${uploadId}`, { param: 'upload_id' });
    if (record.status === 'pending' && this.#clock.now() >= record.expiresAtMs) {
      record.status = 'expired';
      this.#save(record);
    }
    if (record.status !== 'pending')
      throw new ApiError(400, `Upload ${uploadId} is ${record.status} and cannot be changed.`);
    return record;
  }

  async #deleteParts(record: UploadRecord): Promise<void> {
    await Promise.all(record.parts.map((part) => rm(join(this.#folder, part.id), { force: true })));
  }

  #save(record: UploadRecord): void {
    this.#uploads.set(record.id, record);
    this.#journal.append('upload', record.id, record);
  }
}

function partsInOrder(record: UploadRecord, partIds: unknown): PartRecord[] {
  if (partIds === undefined) throw missingParameter('part_ids');
  if (!Array.isArray(partIds)) throw invalidType('part_ids', 'an array of strings', partIds);
  const known = new Map(record.parts.map((part) => [part.id, part]));
  if (new Set(partIds).size !== partIds.length)
    throw new ApiError(400, 'Each part may occur only once in part_ids.', { param: 'part_ids' });
  return partIds.map((id: unknown) => {
    const part = known.get(id as string);
    if (!part) throw new ApiError(400, `No such part in this upload: ${String(id)}`, { param: 'part_ids' });
    return part;
  });
}

function toUploadObject(record: UploadRecord): UploadObject {
  return {
    id: record.id,
    object: 'upload',
    bytes: record.bytes,
    created_at: Math.floor(record.createdAtMs / 1000),
    expires_at: Math.floor(record.expiresAtMs / 1000),
    filename: record.filename,
    purpose: record.purpose,
    status: record.status === 'completing' ? 'pending' : record.status,
    file: record.file && toFileObject(record.file),
  };
}
