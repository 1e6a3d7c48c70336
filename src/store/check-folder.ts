import { randomUUID } from 'node:crypto';
import { link, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { privateFolder } from '../core/private-folder.ts';

/** Codes that a retry does not fix. A full disk is not among them: it may be emptied, and steps are retried. */
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
 * Creates the folder and tries what a store needs of its file system, so that an unsuitable one is reported at the start and not in the
 * middle of a job.
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
      `The file system of ${folder} has no hard links (${codeOf(error)}), which the store needs to claim the records of paid batches: set DURABLE_BATCH_HOME to a folder on a file system that has them, such as a local disk or NFS.`,
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
