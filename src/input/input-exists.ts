import { access, stat } from 'node:fs/promises';

/** True when an input's path exists. */
export async function inputExists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

/**
 * Returns why there is nothing to read, as the end of a sentence; null when there is an input that is not empty.
 * @throws Error of the file system, other than for a missing path
 */
export async function missingInputReason(path: string): Promise<string | null> {
  try {
    const found = await stat(path);
    return found.isFile() && found.size === 0 ? `${path} is empty` : null;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return `${path} does not exist`;
    throw error;
  }
}
