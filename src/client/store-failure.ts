import { BatchError, ErrorCode } from '../core/errors.ts';

/**
 * Reads of the store as the client does them; what the file system says comes out as this package's error.
 * @throws BatchError `store_unavailable`
 */
export async function readingStore<T>(read: () => Promise<T>, jobId: string): Promise<T> {
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
        ? `${place}: the store cannot be read for job ${jobId} (${code}): mend the folder (DURABLE_BATCH_HOME) or its permissions.`
        : `${place}: a record of job ${jobId} in the store is not JSON: restore the store's folder (DURABLE_BATCH_HOME).`,
      { details: { jobId, ...(path === undefined ? {} : { file: path }) } },
    );
  }
}
