import { BatchError, ErrorCode } from '../../core/errors.ts';

const fullCodes: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT']);

/** True for an error of the system or of DuckDB that says that a disk is full. */
export function isDiskFull(error: Error): boolean {
  return (
    fullCodes.has((error as NodeJS.ErrnoException).code) ||
    /^[^\n]*No space left on device/.test(error.message)
  );
}

/** The error of a store whose disk is full. */
export function storeFull(): BatchError {
  return new BatchError(
    ErrorCode.StoreUnavailable,
    'The disk of the store is full: free some space, or set DURABLE_BATCH_HOME to a folder on another disk.',
  );
}

/** Translates an error of the system that occurred in a folder of the store; returns any other as it is. */
export function translateStoreError(error: unknown, folder: string): unknown {
  if (!(error instanceof Error) || error instanceof BatchError) return error;
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code)) return error;
  if (isDiskFull(error)) return storeFull();
  return new BatchError(
    ErrorCode.StoreUnavailable,
    `Cannot write to ${folder} (${code}): make it writable, or set DURABLE_BATCH_HOME to a folder that is.`,
    { cause: error },
  );
}
