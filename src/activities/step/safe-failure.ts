import { ApplicationFailure, TemporalFailure } from '@temporalio/common';
import { isBatchError } from '../../core/errors.ts';
import { FailureType } from '../../core/failure.ts';

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

/**
 * Runs a step; whatever it throws becomes a failure that may be kept in a history. What the store's file system refuses says
 * so, and is tried again. A message that is not our own may quote anything (a parser its text, `fetch` a header with the
 * key): only the error's name is kept of it.
 */
export async function failingSafely<T>(step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (error instanceof TemporalFailure || isBatchError(error) || isAbort(error)) throw error;
    const code = error instanceof Error ? codeOf(error) : '';
    const advice = troubles[code];
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

/** Where an error was thrown, without its message. */
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

/** The errors that this package throws in threads and activities are plain ones, and hold references and counts only. */
function isOurs(error: unknown): boolean {
  return error instanceof Error && error.constructor === Error && codeOf(error) === '';
}

/** True for what the SDK and `fetch` throw when they are told to stop; the SDK's is told by its class only. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && /Abort/.test(error.name + error.constructor.name);
}

/** Errors from threads keep their text, not always their code. */
function codeOf(error: Error): string {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : (/^(E[A-Z]+):/.exec(error.message)?.[1] ?? '');
}
