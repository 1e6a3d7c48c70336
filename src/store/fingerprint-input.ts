import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { BatchError, ErrorCode } from '../core/errors.ts';
import type { InputFingerprint } from '../core/job-spec.ts';

/**
 * Reads an input once and says what it is. The worker compares when it builds the shards; after that nobody
 * reads the input again.
 * @throws BatchError `bad_input` when there is no such file, it cannot be read, or it is empty
 */
export async function fingerprintInput(path: string): Promise<InputFingerprint> {
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    if ((await stat(path)).isDirectory()) throw badInput(path, 'is a folder', 'name a .jsonl file');
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
      bytes += (chunk as Buffer).length;
      hash.update(chunk as Buffer);
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw badInput(path, 'does not exist', 'check the path');
    if (code === 'EACCES' || code === 'EPERM')
      throw badInput(path, 'cannot be read', 'check its permissions');
    throw error;
  }
  if (bytes === 0) throw badInput(path, 'is empty', 'write one JSON request per line');
  return { path: resolve(path), bytes, sha256: hash.digest('hex') };
}

function badInput(file: string, reason: string, advice: string): BatchError {
  return new BatchError(ErrorCode.BadInput, `${file}: the file ${reason}: ${advice}.`, { details: { file } });
}
