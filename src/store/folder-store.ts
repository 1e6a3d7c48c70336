import { openAsBlob } from 'node:fs';
import { link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { privateFolder } from '../core/private-folder.ts';
import type { Store } from './store.ts';
import { temporaryName } from '../files/whole-file.ts';

/** A store in a folder of a local or shared file system that has hard links and atomic renames. */
export class FolderStore implements Store {
  readonly folder: string;
  private isMade = false;

  constructor(folder: string) {
    this.folder = folder;
  }

  async read(key: string): Promise<string | null> {
    try {
      return await readFile(this.path(key), 'utf8');
    } catch (error) {
      return ignoreMissing(error);
    }
  }

  async replace(key: string, text: string): Promise<void> {
    const temporary = await this.writeTemporary(key, text);
    await rename(temporary, this.path(key));
  }

  async claim(key: string, text: string): Promise<{ text: string; first: boolean }> {
    const temporary = await this.writeTemporary(key, text);
    try {
      // A link fails when the name exists, where a rename would replace it: the first writer wins.
      await link(temporary, this.path(key));
      await syncFolder(dirname(temporary));
      return { text, first: true };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      return { text: await readFile(this.path(key), 'utf8'), first: false };
    } finally {
      await rm(temporary, { force: true });
    }
  }

  async remove(key: string): Promise<void> {
    await rm(this.path(key), { force: true });
  }

  async publish(folder: string): Promise<void> {
    const root = this.path(folder);
    const entries = await readdir(root, { withFileTypes: true, recursive: true }).catch(ignoreMissing);
    for (const entry of entries ?? []) {
      // What a killed process left half written is no value.
      if (!entry.isFile() || entry.name.endsWith('.tmp')) continue;
      const path = join(entry.parentPath, entry.name);
      const target = await this.filePath(relative(root, path));
      await rename(path, target).catch(ignoreMissing); // another attempt was faster
    }
  }

  async removeAll(folder: string): Promise<void> {
    await rm(this.path(folder), { recursive: true, force: true });
  }

  async size(key: string): Promise<number | null> {
    try {
      return (await stat(this.path(key))).size;
    } catch (error) {
      return ignoreMissing(error);
    }
  }

  async writeStream(key: string, chunks: AsyncIterable<Uint8Array>): Promise<number> {
    const path = await this.filePath(key);
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
      await file.close().catch(() => undefined); // the first error is the one to tell
      await rm(temporary, { force: true });
      throw error;
    }
  }

  async list(folder: string): Promise<string[]> {
    try {
      const entries = await readdir(this.path(folder), { withFileTypes: true });
      // What a killed process left half written is no value.
      return entries
        .filter((entry) => entry.isFile() && !entry.name.endsWith('.tmp'))
        .map(({ name }) => name)
        .sort();
    } catch (error) {
      return ignoreMissing(error) ?? [];
    }
  }

  async blob(key: string): Promise<Blob> {
    return await openAsBlob(this.path(key));
  }

  async filePath(key: string): Promise<string> {
    const path = this.path(key);
    if (!this.isMade) await mkdir(this.folder, privateFolder);
    this.isMade = true;
    await mkdir(dirname(path), { recursive: true });
    return path;
  }

  private path(key: string): string {
    return join(this.folder, key);
  }

  private async writeTemporary(key: string, text: string): Promise<string> {
    const temporary = temporaryName(await this.filePath(key));
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

const NO_SYNC: ReadonlySet<string | undefined> = new Set([
  'EISDIR',
  'EPERM',
  'EACCES',
  'EINVAL',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
]);

/** Makes new names outlast a power cut, too: a claimed record decides about money. */
async function syncFolder(path: string): Promise<void> {
  let folder;
  try {
    folder = await open(path, 'r');
    await folder.sync();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Windows opens no folders, and some shared file systems sync none: there the file's own sync has to do.
    if (!NO_SYNC.has(code)) throw error;
  } finally {
    await folder?.close();
  }
}

function ignoreMissing(error: unknown): null {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
  throw error;
}
