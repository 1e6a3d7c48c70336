import { closeSync, constants, fstatSync, openSync, type Stats } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';

/** A path is not that of a regular file: a pipe or device may never end, and can be read only once. */
export class NotARegularFile extends Error {
  readonly path: string;
  /** What it is, as the end of a sentence: `… is a pipe`. */
  readonly kind: string;

  constructor(path: string, kind: string) {
    super(`${path} is ${kind}.`);
    this.path = path;
    this.kind = kind;
  }
}

/** Opening a pipe without a writer returns at once instead of waiting for one. */
const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0); // Windows has no such flag

/**
 * Opens a file for reading.
 * @throws NotARegularFile for pipes, devices, sockets and folders, before a byte is read
 */
export async function openFile(path: string): Promise<FileHandle> {
  // Checked before opening: opening a device may have an effect.
  assertFile(path, await stat(path));
  const file = await open(path, OPEN_FLAGS);
  try {
    assertFile(path, await file.stat());
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The same, for pool threads; returns the descriptor. */
export function openFileSync(path: string): number {
  let descriptor: number;
  try {
    descriptor = openSync(path, OPEN_FLAGS);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    throw unopened.has(code) ? new NotARegularFile(path, 'a socket or a device') : error;
  }
  try {
    assertFile(path, fstatSync(descriptor));
    return descriptor;
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

/** Error codes for sockets and for devices without a driver. */
const unopened: ReadonlySet<string> = new Set(['ENXIO', 'ENODEV', 'EOPNOTSUPP']);

function assertFile(path: string, found: Stats): void {
  if (!found.isFile()) throw new NotARegularFile(path, kindOf(found));
}

function kindOf(found: Stats): string {
  if (found.isDirectory()) return 'a folder';
  if (found.isFIFO()) return 'a pipe';
  return found.isSocket() ? 'a socket' : 'a device';
}
