import { access, stat } from 'node:fs/promises';

/** True when something can be found under an input's path. */
export async function inputExists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

/**
 * Why there is nothing to read, in a few words; null when there is an input with something in it.
 * @throws Error of the file system, where it cannot be told
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
