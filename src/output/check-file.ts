import { randomUUID } from 'node:crypto';
import { rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { kindOf } from '../duckdb/error-kind.ts';
import { ownerOfFile } from './file-owner.ts';

/**
 * Checks that a file can take the results of a job: its folder exists and is writable, and a file of this name was written by the same job.
 * @throws BatchError `bad_output`
 */
export async function checkOutputFile(path: string, jobId: string): Promise<void> {
  const folder = dirname(resolve(path));
  const probe = join(folder, `.durable-batch-${randomUUID().slice(0, 8)}.tmp`);
  try {
    await writeFile(probe, 'x'); // a full disk takes an empty file
    await rm(probe);
  } catch (error) {
    await rm(probe, { force: true }).catch(() => undefined); // the first error is the one to report
    throw badFile(path, ...whyNotWritable(error as NodeJS.ErrnoException, folder), error);
  }
  const found = await stat(path).catch(() => null);
  if (found === null) return;
  if (found.isDirectory())
    throw badFile(path, 'is a folder', 'choose another name, or end it with / for a folder of results');
  if (!found.isFile()) throw badFile(path, 'is not a regular file', 'choose another name');
  const owner = await ownerOfFile(path);
  if (owner === jobId) return;
  const what =
    owner === null
      ? 'exists, and is not the file that a job wrote there'
      : `holds the results of job ${owner}`;
  throw badFile(path, what, 'choose another name or move it away');
}

/** The error of a write that failed, for the user. Messages of DuckDB may quote rows, so only their kind is taken over. */
export function toOutputError(error: unknown, path: string): unknown {
  if (error instanceof BatchError || !(error instanceof Error)) return error;
  const code = (error as NodeJS.ErrnoException).code ?? codeOf(error.message);
  const kind = kindOf(error);
  const again = 'and run the same command again: the results are in the store';
  if (code !== undefined && /^E[A-Z]+$/.test(code)) {
    const [what, advice] = whyNotWritable({ code }, dirname(resolve(path)));
    return badFile(path, what, `${advice}, ${again}`, kind === null ? error : new Error(code));
  }
  if (kind === null) return error;
  return badFile(
    path,
    `cannot be written by DuckDB (${kind} error)`,
    `choose another form or fewer columns (--keep), ${again}`,
  );
}

/** The system's code of an error of DuckDB. */
function codeOf(message: string): string | undefined {
  if (message.includes('No space left on device')) return 'ENOSPC';
  return message.includes('Permission denied') ? 'EACCES' : undefined;
}

function whyNotWritable({ code }: { readonly code?: string | undefined }, folder: string): [string, string] {
  if (code === 'ENOENT') return [`cannot be written, because ${folder} does not exist`, 'create it'];
  if (code === 'ENOTDIR')
    return [`cannot be written, because ${folder} is not a folder`, 'choose another path'];
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return ['cannot be written, because its disk is full', 'free some space or choose another disk'];
  return [`cannot be written (${code})`, `choose another path or fix the permissions of ${folder}`];
}

function badFile(path: string, what: string, advice: string, cause?: unknown): BatchError {
  return new BatchError(ErrorCode.BadOutput, `${path} ${what}: ${advice}.`, {
    details: { file: path },
    cause,
  });
}
