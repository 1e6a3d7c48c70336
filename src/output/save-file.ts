import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { withWorkingFolder } from '../files/working-folder.ts';
import { checkOutputFile, toOutputError } from './check-file.ts';
import { ownerOfFile, recordOwner, removeOwner } from './file-owner.ts';

/**
 * Writes a file of results whole: `write` makes it in a folder of its own beside the path, from where it is renamed to it. May be called
 * again, also at the same time: each call has a folder of its own. A process that is killed leaves such a folder, which a later call for the
 * same path deletes.
 * @throws BatchError `bad_output`
 */
export async function saveFile(
  path: string,
  jobId: string,
  write: (to: string, folder: string) => Promise<void>,
): Promise<void> {
  const target = resolve(path);
  await checkOutputFile(path, jobId);
  try {
    await withWorkingFolder(
      dirname(target),
      async (folder) => {
        const written = join(folder, 'output');
        await write(written, folder);
        const bytes = await synced(written);
        await checkOutputFile(path, jobId); // another job may have written it meanwhile
        await recordOwner(target, jobId, bytes);
        await rename(written, target);
      },
      `${basename(target)}.`,
    );
  } catch (error) {
    throw toOutputError(error, path);
  }
}

/** Removes a file that a job has written, and its record; leaves any other file. */
export async function removeOwnFile(path: string, jobId: string): Promise<void> {
  if ((await ownerOfFile(path)) !== jobId) return;
  await rm(path, { force: true });
  await removeOwner(path);
}

/** Syncs a file and returns its size. */
async function synced(path: string): Promise<number> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
    return (await file.stat()).size;
  } finally {
    await file.close();
  }
}
