import { createReadStream, openAsBlob, type Dirent } from 'node:fs';
import { link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { privateFolder } from '../core/private-folder.ts';
import { temporaryName } from '../files/atomic-file-writer.ts';
import { checkFolder } from './check-folder.ts';
import type { KeysToFetch, Store } from './store.ts';
import { syncFolder } from './sync-folder.ts';

const BLOCK_BYTES = 256 << 10;

/** A store in a folder of a local or shared file system that has hard links and atomic renames. */
export class FolderStore implements Store {
  private readonly folder: string;
  private isCreated = false;

  constructor(folder: string) {
    this.folder = folder;
  }

  locationOf(key: string): string {
    return join(this.folder, key);
  }

  async check(): Promise<void> {
    await checkFolder(this.folder);
  }

  async read(key: string): Promise<string | null> {
    try {
      return await readFile(this.locationOf(key), 'utf8');
    } catch (error) {
      return ignoreMissing(error);
    }
  }

  async replace(key: string, text: string): Promise<void> {
    const temporary = await this.writeTemporary(key, text);
    await rename(temporary, this.locationOf(key));
  }

  async claim(key: string, text: string): Promise<{ text: string; first: boolean }> {
    const temporary = await this.writeTemporary(key, text);
    try {
      // A link fails when the name exists, where a rename would replace it: the first writer wins.
      await link(temporary, this.locationOf(key));
      await syncFolder(dirname(temporary));
      return { text, first: true };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      return { text: await readFile(this.locationOf(key), 'utf8'), first: false };
    } finally {
      await rm(temporary, { force: true });
    }
  }

  async remove(key: string): Promise<void> {
    await rm(this.locationOf(key), { force: true });
  }

  async moveToRoot(folder: string): Promise<void> {
    const root = this.locationOf(folder);
    const entries = await readdir(root, { withFileTypes: true, recursive: true }).catch(ignoreMissing);
    for (const entry of entries ?? []) {
      // A killed process may leave a half-written file: that is not a value.
      if (!entry.isFile() || entry.name.endsWith('.tmp')) continue;
      const path = join(entry.parentPath, entry.name);
      const target = await this.pathToWrite(relative(root, path));
      await rename(path, target).catch(ignoreMissing); // another attempt was faster
    }
  }

  async removeAll(folder: string): Promise<void> {
    await rm(this.locationOf(folder), { recursive: true, force: true });
  }

  async size(key: string): Promise<number | null> {
    try {
      return (await stat(this.locationOf(key))).size;
    } catch (error) {
      return ignoreMissing(error);
    }
  }

  async writeStream(key: string, chunks: AsyncIterable<Uint8Array>): Promise<number> {
    const path = await this.pathToWrite(key);
    const temporary = temporaryName(path);
    const file = await open(temporary, 'wx');
    let bytes = 0;
    try {
      for await (const chunk of chunks) {
        await file.writeFile(chunk);
        bytes += chunk.length;
      }
      await file.sync();
      await file.close();
      await rename(temporary, path);
      return bytes;
    } catch (error) {
      await file.close().catch(() => undefined); // the first error is the one to report
      await rm(temporary, { force: true });
      throw error;
    }
  }

  async list(folder: string): Promise<string[]> {
    // A killed process may leave a half-written file: that is not a value.
    return await this.namesIn(folder, (entry) => entry.isFile() && !entry.name.endsWith('.tmp'));
  }

  async listFolders(folder: string): Promise<string[]> {
    return await this.namesIn(folder, (entry) => entry.isDirectory());
  }

  async blob(key: string): Promise<Blob> {
    return await openAsBlob(this.locationOf(key));
  }

  readStream(key: string): AsyncIterable<Buffer> {
    return createReadStream(this.locationOf(key), { highWaterMark: BLOCK_BYTES });
  }

  async readAt(key: string, offset: number, length: number): Promise<Buffer> {
    const file = await open(this.locationOf(key), 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, offset);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  }

  /** Values already are files at their keys, and so are the files that the work creates. */
  async withFiles<T>(_keys: KeysToFetch, work: (folder: string) => Promise<T>): Promise<T> {
    await this.createRoot();
    return await work(this.folder);
  }

  private async namesIn(folder: string, isListed: (entry: Dirent) => boolean): Promise<string[]> {
    try {
      const entries = await readdir(this.locationOf(folder), { withFileTypes: true });
      return entries
        .filter(isListed)
        .map(({ name }) => name)
        .sort();
    } catch (error) {
      return ignoreMissing(error) ?? [];
    }
  }

  private async createRoot(): Promise<void> {
    if (!this.isCreated) await mkdir(this.folder, privateFolder);
    this.isCreated = true;
  }

  /** Returns the path of a value to write, and creates its folder. */
  private async pathToWrite(key: string): Promise<string> {
    await this.createRoot();
    const path = this.locationOf(key);
    await mkdir(dirname(path), { recursive: true });
    return path;
  }

  private async writeTemporary(key: string, text: string): Promise<string> {
    const temporary = temporaryName(await this.pathToWrite(key));
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    return temporary;
  }
}

function ignoreMissing(error: unknown): null {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
  throw error;
}
