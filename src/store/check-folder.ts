import { randomUUID } from 'node:crypto';
import { link, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { privateFolder } from '../core/private-folder.ts';

/** What waiting does not mend; a full disk may be emptied, and steps are tried again. */
const READ_ONLY: ReadonlySet<string | undefined> = new Set([
  'EACCES',
  'EPERM',
  'EROFS',
  'ENOTDIR',
  'EEXIST',
  'ENOENT',
]);
const NO_LINKS: ReadonlySet<string | undefined> = new Set([
  'EPERM',
  'EACCES',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EMLINK',
  'EXDEV',
]);

/**
 * Tries what a store's folder must be able to do, and makes the folder, so that one that is not able is told at the start and not in
 * the middle of a job.
 * @throws BatchError `store_unavailable`
 */
export async function checkFolder(folder: string): Promise<void> {
  const probe = join(folder, `probe-${randomUUID()}.tmp`);
  const linked = probe.replace('.tmp', '-linked.tmp');
  try {
    await mkdir(folder, privateFolder);
    await writeFile(probe, '', { flag: 'wx' });
  } catch (error) {
    if (!READ_ONLY.has(codeOf(error))) return;
    throw new BatchError(
      ErrorCode.StoreUnavailable,
      `Cannot write to ${folder} (${codeOf(error)}): make it writable, or set DURABLE_BATCH_HOME to a folder that is.`,
      { cause: error },
    );
  }
  try {
    await link(probe, linked);
  } catch (error) {
    if (!NO_LINKS.has(codeOf(error))) return;
    throw new BatchError(
      ErrorCode.StoreUnavailable,
      `The file system of ${folder} has no hard links (${codeOf(error)}), by which the records of what was bought are claimed: set DURABLE_BATCH_HOME to a folder on one that has, such as a local disk or NFS.`,
      { cause: error },
    );
  } finally {
    await rm(linked, { force: true });
    await rm(probe, { force: true });
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
