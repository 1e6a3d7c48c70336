import { ApplicationFailure, TemporalFailure } from '@temporalio/common';
import { isBatchError } from '../../core/errors.ts';
import { FailureType } from '../../core/failure.ts';

/** Errors of a file system that cannot be read or written at present, with advice for the operator. */
const storeErrors: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full: make room',
  EDQUOT: 'the quota of the disk is used up: make room',
  EROFS: 'the file system is read-only: make it writable',
  EACCES: "the folder's permissions refuse it: correct them",
  EPERM: "the folder's permissions refuse it: correct them",
  EIO: 'the disk reports an error: check the disk',
  ESTALE: 'the shared folder is not mounted any more: mount it again',
  EMFILE: 'too many files are open: raise the limit',
};

/**
 * Runs a step and turns its errors into failures that are safe in a history. An error of the store's file system becomes
 * `StoreTrouble` and is retried. A message from outside this package may quote anything (a parser its text, `fetch` a header
 * with the key), so only the name of such an error is kept.
 */
export async function withSafeFailures<T>(step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (error instanceof TemporalFailure || isBatchError(error) || isAbort(error)) throw error;
    const code = error instanceof Error ? codeOf(error) : '';
    const advice = storeErrors[code];
    if (advice !== undefined) {
      throw ApplicationFailure.create({
        type: FailureType.StoreTrouble,
        message: `The store cannot be written or read (${code}): ${advice}; the step is retried automatically.`,
      });
    }
    if (isOurs(error)) throw error;
    const name = error instanceof Error ? error.name : 'unknown error';
    const failure = ApplicationFailure.create({
      message: `The step failed (${name}${code === '' ? '' : `, ${code}`}); it is retried automatically.`,
    });
    failure.stack = [failure.message, ...framesOf(error)].join('\n');
    throw failure;
  }
}

/** The stack frames of an error, without its message. */
function framesOf(error: unknown): string[] {
  if (!(error instanceof Error)) return [];
  const { message, stack = '' } = error;
  const end = stack.lastIndexOf(message);
  return end === -1
    ? []
    : stack
        .slice(end + message.length)
        .split('\n')
        .slice(1);
}

/** True for errors of this package: in threads and activities they are plain `Error`s, with references and counts only. */
function isOurs(error: unknown): boolean {
  return error instanceof Error && error.constructor === Error && codeOf(error) === '';
}

/** True for the errors of an aborted call of the SDK or of `fetch`; only its class identifies the SDK's. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && /Abort/.test(error.name + error.constructor.name);
}

/** The code of a system error; read from the message if a thread has lost the code. */
function codeOf(error: Error): string {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : (/^(E[A-Z]+):/.exec(error.message)?.[1] ?? '');
}
