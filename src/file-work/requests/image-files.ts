import { closeSync, fstatSync, readFileSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import type { LineFault } from '../../core/request-line.ts';
import type { AroundRead } from '../../files/read-lines.ts';
import { NotARegularFile, openFileSync } from '../../files/regular-file.ts';

/**
 * Reads the image files of rows. Relative paths are relative to `folder`. Larger files than `maxBytes` cannot be part of a line. `around`
 * wraps each call of the file system.
 */
export function imageReader(
  folder: string | undefined,
  maxBytes: number,
  around: AroundRead = (read) => read(),
): (path: string) => Buffer | LineFault {
  return (path) => {
    if (folder === undefined && !isAbsolute(path))
      return { reason: 'has a relative path', advice: 'use absolute paths' };
    let image = Buffer.alloc(0);
    let size = 0;
    try {
      around(() => {
        const file = openFileSync(resolve(folder ?? '/', path));
        try {
          size = fstatSync(file).size;
          if (size <= maxBytes) image = readFileSync(file);
          return image.length;
        } finally {
          closeSync(file);
        }
      });
    } catch (error) {
      return faultOf(error);
    }
    return size <= maxBytes
      ? image
      : { reason: `is larger than a batch may be (${maxBytes} bytes)`, advice: 'make it smaller' };
  };
}

/** @throws the error, if it is not about the file: the step is then retried */
function faultOf(error: unknown): LineFault {
  if (error instanceof NotARegularFile) return { reason: `is ${error.kind}`, advice: 'name a file' };
  const fault = faults[(error as NodeJS.ErrnoException).code ?? ''];
  if (fault === undefined) throw error;
  return fault;
}

const missing: LineFault = {
  reason: 'does not exist where the worker reads it',
  advice: 'put the file there, or correct the path',
};
const forbidden: LineFault = {
  reason: 'cannot be read by the worker',
  advice: 'correct the permissions of the file',
};
const invalid: LineFault = { reason: 'is not a valid path', advice: 'use URLs, or paths of files' };

const faults: Readonly<Record<string, LineFault>> = {
  ENOENT: missing,
  ENOTDIR: missing,
  EACCES: forbidden,
  EPERM: forbidden,
  ENAMETOOLONG: invalid,
  ELOOP: invalid,
  ERR_INVALID_ARG_VALUE: invalid,
};
