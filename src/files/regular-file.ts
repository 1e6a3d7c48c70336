import { closeSync, constants, fstatSync, openSync, type Stats } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';

/** Something else than a file stands under a file's name: it may never end, and gives its bytes once only. */
export class NotARegularFile extends Error {
  readonly path: string;
  /** What it is, to be said behind "is". */
  readonly kind: string;

  constructor(path: string, kind: string) {
    super(`${path} is ${kind}.`);
    this.path = path;
    this.kind = kind;
  }
}

/** A pipe without a writer is opened at once, and not when one comes. */
const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0); // Windows has no such flag

/**
 * Opens a file to be read.
 * @throws NotARegularFile for pipes, devices, sockets and folders, which are not read from
 */
export async function openFile(path: string): Promise<FileHandle> {
  // Looked at first: opening a device may do something.
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

/** The same, for pool threads; answers the descriptor. */
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

/** What systems say of sockets and of devices without a driver. */
const unopened: ReadonlySet<string> = new Set(['ENXIO', 'ENODEV', 'EOPNOTSUPP']);

function assertFile(path: string, found: Stats): void {
  if (!found.isFile()) throw new NotARegularFile(path, kindOf(found));
}

function kindOf(found: Stats): string {
  if (found.isDirectory()) return 'a folder';
  if (found.isFIFO()) return 'a pipe';
  return found.isSocket() ? 'a socket' : 'a device';
}
