import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync } from 'node:fs';
import { readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ApiError, toEnvelope } from './api-error.ts';
import { refusalOf } from './call-faults.ts';
import type { Clock } from './clock.ts';
import type { FaultBook } from './fault-book.ts';
import { ContentForm } from './fault-rule.ts';
import type { BytesFault, FileFault, RefusedFault } from './fault-rule.ts';
import type { Journal } from './journal.ts';
import { assertJsonlOpening } from './jsonl-opening.ts';
import { newFileId } from './object-ids.ts';
import { RefusedContent } from './refused-content.ts';

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
  /** A fault shows this many bytes. */
  shownBytes?: number | undefined;
  /** A fault refuses its content. */
  refused?: Omit<RefusedFault, 'kind'> | undefined;
  /** A fault gives something else for its content. */
  standIn?: StandIn | undefined;
}

/** What is read in a file's stead; without both limits for ever. */
interface StandIn {
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
  readonly refused: RefusedContent;
  readonly #files = new Map<string, FileRecord>();
  /** Files a running batch still reads; their bytes outlive their deletion. */
  readonly #held = new Map<string, number>();

  constructor(dataDir: string, clock: Clock, journal: Journal, faults: FaultBook) {
    this.#folder = join(dataDir, 'files');
    this.#clock = clock;
    this.#journal = journal;
    this.#faults = faults;
    this.refused = new RefusedContent(journal);
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
    await this.refused.assertNot('upload', () => digestOf(path));
    const struck = [...faults, ...this.#faults.forFile()];
    const refusal = struck.find((fault) => fault.kind === 'refused');
    if (refusal) throw this.refused.refuse('upload', await digestOf(path), refusal);
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
      hiddenUntilMs: hiddenUntil(struck, now),
      shownBytes: shownBytes(
        struck.find((fault) => fault.kind === 'bytes'),
        size,
      ),
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

  /** What tells a file's content from others': the digest of its bytes, or its id where there are none. */
  contentKeyOf(id: string): Promise<string> {
    return this.#files.has(id) ? digestOf(this.pathOf(id)) : Promise.resolve(id);
  }

  /** What is to be sent for the file: its path, or what a fault puts in its stead. */
  async contentOf(id: string): Promise<{ source: string | Buffer; isTrue: boolean }> {
    const record = this.get(id);
    if (record.refused) throw refusalOf(record.refused);
    const path = this.pathOf(id);
    const { standIn } = record;
    if (!standIn || standIn.readsLeft === 0) return { source: path, isTrue: true };
    if (standIn.untilMs !== null && this.#clock.now() >= standIn.untilMs)
      return { source: path, isTrue: true };
    if (standIn.readsLeft !== null)
      this.put({ ...record, standIn: { ...standIn, readsLeft: standIn.readsLeft - 1 } });
    switch (standIn.as) {
      case ContentForm.array: {
        const rows = (await readFile(path, 'utf8')).split('\n').filter((row) => row.trim() !== '');
        return { source: Buffer.from(`[${rows.join(',\n')}]`), isTrue: true };
      }
      case ContentForm.errorObject:
        return { source: Buffer.from(`${JSON.stringify(NOT_READABLE)}\n`), isTrue: false };
      case ContentForm.empty:
        return { source: Buffer.alloc(0), isTrue: false };
      default:
        return standIn.as satisfies never;
    }
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
    this.refused.clear();
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

/** The `bytes` a fault shows for a file of this size; undefined without one. */
export function shownBytes(fault: BytesFault | undefined, size: number): number | undefined {
  return fault && Math.max(0, (fault.value ?? size) + (fault.add ?? 0));
}

async function digestOf(path: string): Promise<string> {
  const digest = createHash('sha256');
  for await (const chunk of createReadStream(path)) digest.update(chunk as Buffer);
  return digest.digest('hex');
}

const NOT_READABLE = toEnvelope(new ApiError(500, 'The file cannot be read now.', { code: 'server_error' }));
