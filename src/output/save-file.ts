import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { withWorkingFolder } from '../files/working-folder.ts';
import { checkOutputFile, toOutputError } from './check-file.ts';
import { isSameOwner, ownerOfFile, recordOwner, removeOwner, stateOfFile, type Owner } from './file-owner.ts';

/**
 * Writes a file of results whole: `write` makes it in a folder of its own beside the path, from where it is renamed to it. May be called
 * again, also at the same time: each call has a folder of its own. A process that is killed leaves such a folder, which a later call for the
 * same path deletes.
 * @throws BatchError `bad_output`
 */
export async function saveFile(
  path: string,
  owner: Owner,
  write: (to: string, folder: string) => Promise<void>,
): Promise<void> {
  const target = resolve(path);
  await checkOutputFile(path, owner);
  try {
    await withWorkingFolder(
      dirname(target),
      async (folder) => {
        const written = join(folder, 'output');
        await write(written, folder);
        await sync(written);
        const state = await stateOfFile(written); // which a rename keeps
        await checkOutputFile(path, owner); // another job may have written it meanwhile
        await recordOwner(target, owner, state);
        await rename(written, target);
      },
      `${basename(target)}.`,
    );
  } catch (error) {
    throw toOutputError(error, path);
  }
}

/** Removes a file that a job has written, and its record; leaves any other file. */
export async function removeOwnFile(path: string, owner: Owner): Promise<void> {
  if (!isSameOwner(await ownerOfFile(path), owner)) return;
  await rm(path, { force: true });
  await removeOwner(path);
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
