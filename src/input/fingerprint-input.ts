import { resolve } from 'node:path';
import { BatchError, ErrorCode } from '../core/errors.ts';
import type { InputFingerprint } from '../core/job-spec.ts';
import { NotARegularFile, openFile } from '../files/regular-file.ts';
import { InputCheck } from './input-check.ts';

/**
 * Reads an input once and returns its path, size and hash. The worker compares them when it builds the shards; after that the input is
 * not read again.
 * @throws BatchError `bad_input` when the path does not exist, is not a file, cannot be read, or is empty
 */
export async function fingerprintInput(path: string): Promise<InputFingerprint> {
  // Even when it is redirected from a file: the worker has a standard input of its own.
  if (path === '-' || /^\/(dev\/(stdin$|fd\/)|proc\/[^/]+\/fd\/)/.test(path)) {
    throw badInput(path, 'is standard input or another stream that only this process has', SAVE_IT);
  }
  const read = new InputCheck();
  try {
    const file = await openFile(path);
    for await (const chunk of file.createReadStream({ highWaterMark: 1 << 20 })) read.add(chunk as Buffer);
  } catch (error) {
    if (error instanceof NotARegularFile) {
      const advice = error.kind === 'a folder' ? 'name a .jsonl file' : SAVE_IT;
      throw badInput(path, `is ${error.kind}`, advice);
    }
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') throw badInput(path, 'does not exist', 'check the path');
    if (code === 'EACCES' || code === 'EPERM')
      throw badInput(path, 'cannot be read', 'check its permissions');
    if (code === undefined) throw error;
    throw badInput(path, `cannot be read (${code})`, 'check the path and the disk');
  }
  const fingerprint = read.fingerprint();
  if (fingerprint.bytes === 0) throw badInput(path, 'is empty', 'write one JSON request per line');
  return { path: resolve(path), ...fingerprint };
}

/** The worker reads the input again. */
const SAVE_IT = 'save its lines to a file, which can be read more than once, and name that';

function badInput(file: string, reason: string, advice: string): BatchError {
  return new BatchError(ErrorCode.BadInput, `${file}: the file ${reason}: ${advice}.`, { details: { file } });
}
