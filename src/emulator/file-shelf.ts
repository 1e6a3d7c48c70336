import { mkdirSync } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ApiError } from './api-error.ts';
import type { Clock } from './clock.ts';
import type { FaultBook } from './fault-book.ts';
import type { FileFault } from './fault-rule.ts';
import type { Journal } from './journal.ts';
import { assertJsonlOpening } from './jsonl-opening.ts';
import { newFileId } from './object-ids.ts';

/** A file as it is journalled; its bytes lie in the folder `files` under its id. */
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
  /** A fault answers 404 until then. */
  hiddenUntilMs: number;
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
  /** Undefined takes the API's default for the purpose. */
  expiresAfterSeconds: number | undefined;
}

/** Files of batches are kept 30 days unless their creator says otherwise. */
export const DEFAULT_BATCH_FILE_SECONDS: number = 30 * 86_400;

/** All files of the account, their bytes on disk. */
export class FileShelf {
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #faults: FaultBook;
  readonly #files = new Map<string, FileRecord>();
  /** Files a running batch still reads; their bytes outlive their deletion. */
  readonly #held = new Map<string, number>();

  constructor(dataDir: string, clock: Clock, journal: Journal, faults: FaultBook) {
    this.#folder = join(dataDir, 'files');
    this.#clock = clock;
    this.#journal = journal;
    this.#faults = faults;
    mkdirSync(this.#folder, { recursive: true });
    mkdirSync(join(dataDir, 'incoming'), { recursive: true });
  }

  pathOf(id: string): string {
    return join(this.#folder, id);
  }

  restore(record: FileRecord): void {
    this.#files.set(record.id, record);
  }

  /** Takes over bytes that have arrived whole; `faults` are added to those the rules give. */
  async adopt(path: string, file: NewFile, faults: readonly FileFault[]): Promise<FileRecord> {
    if (file.purpose === 'batch') await assertJsonlOpening(path, file.filename);
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
      hiddenUntilMs: hiddenUntil([...faults, ...this.#faults.forFile()], now),
    });
  }

  /** Shows a file whose bytes are already under its id, or notes a change of one. */
  put(record: FileRecord): FileRecord {
    this.#files.set(record.id, record);
    this.#journal.append('file', record.id, record);
    return record;
  }

  /** The file if a client may see it now. */
  find(id: string): FileRecord | undefined {
    const record = this.#files.get(id);
    return record && this.#isVisible(record) ? record : undefined;
  }

  /** The file, or the API's 404. */
  get(id: string): FileRecord {
    const record = this.find(id);
    if (!record) throw new ApiError(404, `No such File object: ${id}`, { param: 'id' });
    return record;
  }

  /** Whether the file was ever read whole; also true of one since deleted. */
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

  async remove(id: string): Promise<void> {
    this.put({ ...this.get(id), deleted: true });
    await this.#dropBytes(id);
  }

  hold(id: string): void {
    this.#held.set(id, (this.#held.get(id) ?? 0) + 1);
  }

  async release(id: string): Promise<void> {
    const holders = (this.#held.get(id) ?? 1) - 1;
    if (holders > 0) this.#held.set(id, holders);
    else this.#held.delete(id);
    if (this.#files.get(id)?.deleted) await this.#dropBytes(id);
  }

  async clear(): Promise<void> {
    this.#files.clear();
    this.#held.clear();
    await rm(this.#folder, { recursive: true, force: true });
    mkdirSync(this.#folder, { recursive: true });
  }

  async #dropBytes(id: string): Promise<void> {
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
    bytes: record.bytes,
    created_at: Math.floor(record.createdAtMs / 1000),
    expires_at: record.expiresAtMs === null ? null : Math.floor(record.expiresAtMs / 1000),
    filename: record.filename,
    purpose: record.purpose,
    status: 'processed',
    status_details: null,
  };
}

function hiddenUntil(faults: readonly FileFault[], now: number): number {
  return faults.reduce((until, fault) => Math.max(until, now + fault.seconds * 1000), 0);
}
