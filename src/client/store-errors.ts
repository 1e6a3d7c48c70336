import { dirname } from 'node:path';
import { BatchError, ErrorCode } from '../core/errors.ts';
import type { StoreIdentity } from '../store/store-identity.ts';

/**
 * Runs a read of the store; converts errors of the file system to this package's error.
 * @throws BatchError `store_unavailable`
 */
export async function withStoreErrors<T>(read: () => Promise<T>, jobId: string): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    const isOfFileSystem = typeof code === 'string' && /^E[A-Z]+$/.test(code);
    if (!isOfFileSystem && !(error instanceof SyntaxError)) throw error;
    const place = path ?? 'The store';
    throw new BatchError(
      ErrorCode.StoreUnavailable,
      isOfFileSystem
        ? `${place}: the store cannot be read for job ${jobId} (${code}): fix the folder (DURABLE_BATCH_HOME) or its permissions.`
        : `${place}: a record of job ${jobId} in the store is not JSON: restore the store's folder (DURABLE_BATCH_HOME).`,
      { details: { jobId, ...(path === undefined ? {} : { file: path }) } },
    );
  }
}

/**
 * The error for missing results; `theirs` is the store that the job was started with, null if unknown.
 */
export function resultsMissing(jobId: string, ours: StoreIdentity, theirs: StoreIdentity | null): BatchError {
  const where =
    theirs === null
      ? 'read them with the DURABLE_BATCH_HOME that the job was started with'
      : theirs.id === ours.id
        ? 'the folder of the job, or a part of it, was deleted or moved'
        : `they are in the store ${theirs.path}: set DURABLE_BATCH_HOME to ${dirname(theirs.path)}, as its workers have it`;
  return new BatchError(
    ErrorCode.StoreUnavailable,
    `The results of job ${jobId} are not in the store ${ours.path}: ${where}.`,
    { details: { jobId } },
  );
}
