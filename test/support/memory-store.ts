import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { BatchError, ErrorCode } from '../../src/core/errors.ts';
import type { KeysToFetch, Store } from '../../src/store/store.ts';

/** An access to a value. */
type Access = Exclude<keyof Store, 'locationOf' | 'check'>;

/**
 * A store in memory, as a second kind of store beside the folder. It has no files of its own, so work on files gets copies.
 * Accesses fail where a test configures it.
 */
export class MemoryStore implements Store {
  readonly values: Map<string, Buffer> = new Map();
  /** Keys that were fetched to files, in order. */
  readonly fetched: string[] = [];
  private failing: ((access: Access, key: string) => Error | null) | null = null;

  /** Returns the error that an access throws; null for accesses that succeed. */
  failWhere(failing: ((access: Access, key: string) => Error | null) | null): void {
    this.failing = failing;
  }

  locationOf(key: string): string {
    return `memory:${key}`;
  }

  async check(): Promise<void> {
    if (this.failing !== null) throw new BatchError(ErrorCode.StoreUnavailable, 'The memory fails.');
  }

  async read(key: string): Promise<string | null> {
    await this.access('read', key);
    return this.values.get(key)?.toString('utf8') ?? null;
  }

  async readAt(key: string, offset: number, length: number): Promise<Buffer> {
    await this.access('readAt', key);
    return this.known(key).subarray(offset, offset + length);
  }

  async *readStream(key: string): AsyncGenerator<Buffer> {
    await this.access('readStream', key);
    const value = this.known(key);
    for (let at = 0; at < value.length; at += 1_000) yield value.subarray(at, at + 1_000);
  }

  async blob(key: string): Promise<Blob> {
    await this.access('blob', key);
    return new Blob([this.known(key)]);
  }

  async size(key: string): Promise<number | null> {
    await this.access('size', key);
    return this.values.get(key)?.length ?? null;
  }

  async list(folder: string): Promise<string[]> {
    await this.access('list', folder);
    return this.below(folder)
      .filter((name) => !name.includes('/'))
      .sort();
  }

  async listFolders(folder: string): Promise<string[]> {
    await this.access('listFolders', folder);
    const inFolders = this.below(folder).filter((name) => name.includes('/'));
    return [...new Set(inFolders.map((name) => name.slice(0, name.indexOf('/'))))].sort();
  }

  async replace(key: string, text: string): Promise<void> {
    await this.access('replace', key);
    this.values.set(key, Buffer.from(text));
  }

  async claim(key: string, text: string): Promise<{ text: string; first: boolean }> {
    await this.access('claim', key);
    const known = this.values.get(key);
    if (known !== undefined) return { text: known.toString('utf8'), first: false };
    this.values.set(key, Buffer.from(text));
    return { text, first: true };
  }

  async writeStream(key: string, chunks: AsyncIterable<Uint8Array>): Promise<number> {
    const pieces: Uint8Array[] = [];
    for await (const chunk of chunks) pieces.push(Buffer.from(chunk));
    await this.access('writeStream', key);
    const value = Buffer.concat(pieces);
    this.values.set(key, value);
    return value.length;
  }

  async remove(key: string): Promise<void> {
    await this.access('remove', key);
    this.values.delete(key);
  }

  async removeAll(folder: string): Promise<void> {
    await this.access('removeAll', folder);
    for (const name of this.below(folder)) this.values.delete(`${folder}/${name}`);
  }

  async moveToRoot(folder: string): Promise<void> {
    await this.access('moveToRoot', folder);
    for (const name of this.below(folder)) {
      this.values.set(name, this.values.get(`${folder}/${name}`)!);
      this.values.delete(`${folder}/${name}`);
    }
  }

  async withFiles<T>(keys: KeysToFetch, work: (folder: string) => Promise<T>): Promise<T> {
    const folder = mkdtempSync(join(tmpdir(), 'memory-store-'));
    try {
      const fetched = new Set<string>();
      for await (const key of keys) {
        await this.access('withFiles', key);
        const value = this.values.get(key);
        if (value === undefined) continue;
        mkdirSync(dirname(join(folder, key)), { recursive: true });
        writeFileSync(join(folder, key), value);
        fetched.add(key);
      }
      this.fetched.push(...fetched);
      const result = await work(folder);
      for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
        const path = join(entry.parentPath, entry.name);
        const key = relative(folder, path);
        if (!entry.isFile() || key.endsWith('.tmp') || fetched.has(key)) continue;
        await this.access('withFiles', key);
        this.values.set(key, readFileSync(path));
      }
      return result;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  /** The part after the folder of the keys under it. */
  private below(folder: string): string[] {
    return [...this.values.keys()]
      .filter((key) => key.startsWith(`${folder}/`))
      .map((key) => key.slice(folder.length + 1));
  }

  private async access(access: Access, key: string): Promise<void> {
    await turn(); // others come between
    const failure = this.failing?.(access, key) ?? null;
    if (failure !== null) throw failure;
  }

  private known(key: string): Buffer {
    const value = this.values.get(key);
    if (value === undefined) throw Object.assign(new Error(`ENOENT: ${key}`), { code: 'ENOENT' });
    return value;
  }
}
