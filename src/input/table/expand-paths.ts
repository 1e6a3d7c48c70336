import { stat } from 'node:fs/promises';
import { isAbsolute, resolve } from 'node:path';
import { glob, isDynamicPattern } from 'tinyglobby';
import type { BatchError } from '../../core/errors.ts';
import { NotARegularFile, openFile } from '../../files/regular-file.ts';
import { noRows, tableError } from './table-error.ts';

/**
 * Returns the files of paths and globs: in the order of the arguments, each glob's files in sorted order, and a file that several of
 * them name once, as the first of them spells it. Files and folders whose names begin with a dot must be named; links to folders are not
 * followed by `**`.
 * @throws BatchError `bad_input` when a path does not exist or a glob matches nothing
 */
export async function expandPaths(paths: readonly string[]): Promise<string[]> {
  const found = new Map<string, string>();
  let missing: Missing | null = null;
  for (const path of paths) {
    const files = await filesOf(path);
    if (!Array.isArray(files)) missing ??= files;
    else
      for (const file of files) {
        const absolute = resolve(file);
        if (!found.has(absolute)) found.set(absolute, file);
      }
  }
  if (missing === null) return [...found.values()];
  const { path, reason, advice } = missing;
  throw found.size === 0 ? noRows(path, reason, advice) : tableError({ source: path }, reason, advice);
}

/** A path that names no file. */
interface Missing {
  readonly path: string;
  readonly reason: string;
  readonly advice: string;
}

async function filesOf(path: string): Promise<string[] | Missing> {
  // A file whose name has brackets is not a glob.
  if (await exists(path)) return [path];
  if (!isDynamicPattern(path)) return { path, reason: 'does not exist', advice: 'check the path' };
  const files = await glob(path, {
    absolute: isAbsolute(path),
    expandDirectories: false,
    followSymbolicLinks: false,
  });
  if (files.length === 0)
    return { path, reason: 'matches no file', advice: 'check the pattern, and quote it from the shell' };
  return files.sort();
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

/**
 * Checks that a file can be opened, so that the message does not depend on what reads it.
 * @throws BatchError `bad_input`
 */
export async function assertReadable(path: string): Promise<void> {
  try {
    const file = await openFile(path);
    await file.close();
  } catch (error) {
    throw unreadableFile(path, error);
  }
}

/**
 * The error of a file that cannot be read.
 * @throws the error if it is none of the file system
 */
export function unreadableFile(source: string, error: unknown): BatchError {
  const [reason, advice] = unreadable(error);
  return tableError({ source }, reason, advice);
}

/**
 * Returns why a file cannot be read, and what to do.
 * @throws the error if it is none of the file system
 */
export function unreadable(error: unknown): [reason: string, advice: string] {
  if (error instanceof NotARegularFile) {
    return error.kind === 'a folder'
      ? ['is a folder', "name its files by a glob, e.g. 'folder/*.csv'"]
      : [`is ${error.kind}`, 'redirect it to standard input and name - as the input'];
  }
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined) throw error;
  if (code === 'ENOENT' || code === 'ENOTDIR') return ['does not exist', 'check the path'];
  if (code === 'EACCES' || code === 'EPERM') return ['cannot be read', 'check its permissions'];
  return [`cannot be read (${code})`, 'check the path and the disk'];
}
