import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync } from 'node:fs';
import { readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ApiError, toEnvelope } from './api-error.ts';
import { toRefusal } from './call-faults.ts';
import type { Clock } from './clock.ts';
import type { FaultRegistry } from './fault-registry.ts';
import { ContentForm } from './faults/batch-fault.ts';
import type { BytesFault, FileFault, RefusedFault } from './faults/file-fault.ts';
import type { Journal } from './journal.ts';
import { assertBatchInputFile } from './assert-batch-input-file.ts';
import { newFileId } from './object-ids.ts';
import { PermanentRefusals } from './permanent-refusals.ts';

/** A file in the journal; its bytes are in the folder `files` under its id. */
export interface FileRecord {
  id: string;
  bytes: number;
  createdAtMs: number;
  expiresAtMs: number | null;
  filename: string;
  purpose: string;
  deleted: boolean;
  /** Whether the content has been sent to its last byte at least once. */
  readWhole: boolean;
  /** A fault returns 404 until then. */
  hiddenUntilMs: number;
  /** The number of bytes that a fault reports. */
  shownBytes?: number | undefined;
  /** A fault refuses reads of the content. */
  refused?: Omit<RefusedFault, 'kind'> | undefined;
  /** A fault replaces the content. */
  standIn?: ReplacedContent | undefined;
}

/** Replaces the content of a file; for ever if both limits are null. */
interface ReplacedContent {
  as: ContentForm;
  untilMs: number | null;
  readsLeft: number | null;
}

/** The file object of the API. */
export interface FileObject {
  id: string;
  object: 'file';
  bytes: number;
  created_at: number;
  expires_at: number | null;
  filename: string;
  purpose: string;
  status: 'processed';
  status_details: null;
}

export interface NewFile {
  filename: string;
  purpose: string;
  /** Undefined means the API's default for the purpose. */
  expiresAfterSeconds: number | undefined;
}

/** The API keeps files of batches for 30 days unless the client sets `expires_after`. */
export const DEFAULT_BATCH_FILE_SECONDS: number = 30 * 86_400;

/** The files of an account; their bytes are on disk. */
export class FileStorage {
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #faults: FaultRegistry;
  readonly refusals: PermanentRefusals;
  readonly #files = new Map<string, FileRecord>();
  /** Input files of running batches, with the number of batches: their bytes are kept when the file is deleted. */
  readonly #held = new Map<string, number>();

  constructor(dataDir: string, clock: Clock, journal: Journal, faults: FaultRegistry) {
    this.#folder = join(dataDir, 'files');
    this.#clock = clock;
    this.#journal = journal;
    this.#faults = faults;
    this.refusals = new PermanentRefusals(journal);
    mkdirSync(this.#folder, { recursive: true });
    mkdirSync(join(dataDir, 'incoming'), { recursive: true });
  }

  pathOf(id: string): string {
    return join(this.#folder, id);
  }

  restore(record: FileRecord): void {
    this.#files.set(record.id, record);
  }

  /** Creates a file from bytes that have arrived completely; `faults` are added to those of the rules. */
  async adopt(path: string, file: NewFile, faults: readonly FileFault[]): Promise<FileRecord> {
    if (file.purpose === 'batch') await assertBatchInputFile(path, file.filename);
    await this.refusals.assertNotRefused('upload', () => digestOf(path));
    const allFaults = [...faults, ...this.#faults.forFile()];
    const refusal = allFaults.find((fault) => fault.kind === 'refused');
    if (refusal) throw this.refusals.refuse('upload', await digestOf(path), refusal);
    const { size } = await stat(path);
    const id = newFileId();
    await rename(path, this.pathOf(id));
    const now = this.#clock.now();
    const lifeSeconds =
      file.expiresAfterSeconds ?? (file.purpose === 'batch' ? DEFAULT_BATCH_FILE_SECONDS : undefined);
    return this.put({
      id,
      bytes: size,
      createdAtMs: now,
      expiresAtMs: lifeSeconds === undefined ? null : now + lifeSeconds * 1000,
      filename: file.filename,
      purpose: file.purpose,
      deleted: false,
      readWhole: false,
      hiddenUntilMs: hiddenUntil(allFaults, now),
      shownBytes: shownBytes(
        allFaults.find((fault) => fault.kind === 'bytes'),
        size,
      ),
    });
  }

  /** Saves the record of a file whose bytes are already under its id. */
  put(record: FileRecord): FileRecord {
    this.#files.set(record.id, record);
    this.#journal.append('file', record.id, record);
    return record;
  }

  /** The file, if it is visible to clients now. */
  find(id: string): FileRecord | undefined {
    const record = this.#files.get(id);
    return record && this.#isVisible(record) ? record : undefined;
  }

  /** The file; throws the API's 404 if it is not visible. */
  get(id: string): FileRecord {
    const record = this.find(id);
    if (!record) throw new ApiError(404, `No such File object: ${id}`, { param: 'id' });
    return record;
  }

  /** Whether the file was ever read to its end; also known of deleted files. */
  wasRead(id: string): boolean {
    return this.#files.get(id)?.readWhole ?? false;
  }

  /** Every visible file, oldest first. */
  visible(): FileRecord[] {
    return [...this.#files.values()].filter((record) => this.#isVisible(record));
  }

  markRead(id: string): void {
    const record = this.#files.get(id);
    if (record && !record.readWhole) this.put({ ...record, readWhole: true });
  }

  /** A key of the file's content: the digest of its bytes, or its id if there is no such file. */
  contentKeyOf(id: string): Promise<string> {
    return this.#files.has(id) ? digestOf(this.pathOf(id)) : Promise.resolve(id);
  }

  /** The content to send: the file's path, or the bytes of a fault. `isComplete` is false if it lacks the file's rows. */
  async contentOf(id: string): Promise<{ source: string | Buffer; isComplete: boolean }> {
    const record = this.get(id);
    if (record.refused) throw toRefusal(record.refused);
    const path = this.pathOf(id);
    const { standIn: replaced } = record;
    if (!replaced || replaced.readsLeft === 0) return { source: path, isComplete: true };
    if (replaced.untilMs !== null && this.#clock.now() >= replaced.untilMs)
      return { source: path, isComplete: true };
    if (replaced.readsLeft !== null)
      this.put({ ...record, standIn: { ...replaced, readsLeft: replaced.readsLeft - 1 } });
    switch (replaced.as) {
      case ContentForm.array: {
        const rows = (await readFile(path, 'utf8')).split('\n').filter((row) => row.trim() !== '');
        return { source: Buffer.from(`[${rows.join(',\n')}]`), isComplete: true };
      }
      case ContentForm.errorObject:
        return { source: Buffer.from(`${JSON.stringify(NOT_READABLE)}\n`), isComplete: false };
      case ContentForm.empty:
        return { source: Buffer.alloc(0), isComplete: false };
      default:
        return replaced.as satisfies never;
    }
  }

  async remove(id: string): Promise<void> {
    this.put({ ...this.get(id), deleted: true });
    await this.#deleteBytes(id);
  }

  hold(id: string): void {
    this.#held.set(id, (this.#held.get(id) ?? 0) + 1);
  }

  async release(id: string): Promise<void> {
    const holders = (this.#held.get(id) ?? 1) - 1;
    if (holders > 0) this.#held.set(id, holders);
    else this.#held.delete(id);
    if (this.#files.get(id)?.deleted) await this.#deleteBytes(id);
  }

  async clear(): Promise<void> {
    this.#files.clear();
    this.#held.clear();
    this.refusals.clear();
    await rm(this.#folder, { recursive: true, force: true });
    mkdirSync(this.#folder, { recursive: true });
  }

  async #deleteBytes(id: string): Promise<void> {
    if (!this.#held.has(id)) await rm(this.pathOf(id), { force: true });
  }

  #isVisible(record: FileRecord): boolean {
    const now = this.#clock.now();
    if (record.deleted || now < record.hiddenUntilMs) return false;
    return record.expiresAtMs === null || now < record.expiresAtMs;
  }
}

export function toFileObject(record: FileRecord): FileObject {
  return {
    id: record.id,
    object: 'file',
    bytes: record.shownBytes ?? record.bytes,
    created_at: Math.floor(record.createdAtMs / 1000),
    expires_at: record.expiresAtMs === null ? null : Math.floor(record.expiresAtMs / 1000),
    filename: record.filename,
    purpose: record.purpose,
    status: 'processed',
    status_details: null,
  };
}

function hiddenUntil(faults: readonly FileFault[], now: number): number {
  return faults.reduce(
    (until, fault) => (fault.kind === 'not_found' ? Math.max(until, now + fault.seconds * 1000) : until),
    0,
  );
}

/** The `bytes` that a fault reports for a file of this size; undefined without a fault. */
export function shownBytes(fault: BytesFault | undefined, size: number): number | undefined {
  return fault && Math.max(0, (fault.value ?? size) + (fault.add ?? 0));
}

async function digestOf(path: string): Promise<string> {
  const digest = createHash('sha256');
  for await (const chunk of createReadStream(path)) digest.update(chunk as Buffer);
  return digest.digest('hex');
}

const NOT_READABLE = toEnvelope(new ApiError(500, 'The file cannot be read now.', { code: 'server_error' }));
