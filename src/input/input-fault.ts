import { NotARegularFile } from '../files/regular-file.ts';

/** What is wrong with an input; never contains text of a line. */
export interface InputFault {
  /** Null for a fault of the whole input. */
  readonly line: number | null;
  readonly reason: string;
  readonly advice: string;
}

/** Returns why an input cannot be read here; null for an error about any other file. */
export function toInputFault(error: Error, input: string): InputFault | null {
  const { code, path } = error as NodeJS.ErrnoException;
  if (path !== input) return null;
  if (error instanceof NotARegularFile) {
    const reason = `is ${error.kind} where the worker reads it`;
    return { line: null, reason, advice: 'put the file there, or run the worker where it is' };
  }
  const reason = unreadableReasons[code ?? ''];
  return reason === undefined ? null : { line: null, reason, advice: 'run the worker where the file is' };
}

const unreadableReasons: Readonly<Record<string, string>> = {
  ENOENT: 'cannot be found by the worker',
  ENOTDIR: 'cannot be found by the worker',
  EACCES: 'cannot be read by the worker',
};
