import { open } from 'node:fs/promises';

const NO_SYNC: ReadonlySet<string | undefined> = new Set([
  'EISDIR',
  'EPERM',
  'EACCES',
  'EINVAL',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
]);

/** Makes new names survive a power cut: a claimed record decides about money. */
export async function syncFolder(path: string): Promise<void> {
  let folder;
  try {
    folder = await open(path, 'r');
    await folder.sync();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Windows cannot open folders, and some shared file systems cannot sync them: the sync of the file must suffice there.
    if (!NO_SYNC.has(code)) throw error;
  } finally {
    await folder?.close();
  }
}
