import { ApplicationFailure } from '@temporalio/common';
import { FailureType } from '../core/failure.ts';

/** What the system says of a folder that cannot take or give bytes just now, in words for whoever has to mend it. */
const troubles: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full: make room',
  EDQUOT: 'the quota of the disk is used up: make room',
  EROFS: 'the file system is read-only: make it writable',
  EACCES: "the folder's permissions refuse it: mend them",
  EPERM: "the folder's permissions refuse it: mend them",
  EIO: 'the disk reports an error: look after it',
  ESTALE: 'the shared folder has gone away: mount it again',
  EMFILE: 'too many files are open: raise the limit',
};

/** Runs a step; what the store's file system refuses becomes a failure that says so, and is tried again. */
export async function tellingStoreTrouble<T>(step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    const code = error instanceof Error ? codeOf(error) : '';
    const advice = troubles[code];
    if (error instanceof ApplicationFailure || advice === undefined) throw error;
    throw ApplicationFailure.create({
      type: FailureType.StoreTrouble,
      message: `The store cannot be written or read (${code}): ${advice}; the step is tried again.`,
    });
  }
}

/** Errors from threads keep their text, not always their code. */
function codeOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? /^(E[A-Z]+):/.exec(error.message)?.[1] ?? '';
}
