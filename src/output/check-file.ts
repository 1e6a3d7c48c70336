import { randomUUID } from 'node:crypto';
import { rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { kindOf } from '../duckdb/error-kind.ts';
import { isSameOwner, ownerOfFile, type Owner } from './file-owner.ts';

/**
 * Checks that a file can be written, whatever it contains: its folder exists and is writable, and its name is not that of a folder.
 * @throws BatchError `bad_output`
 */
export async function checkWritableFile(path: string): Promise<void> {
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
}

/**
 * Checks that a file can take an output of a job: it can be written, and a file of this name is the same output of the same job.
 * @throws BatchError `bad_output`
 */
export async function checkOutputFile(path: string, owner: Owner): Promise<void> {
  await checkWritableFile(path);
  const found = await stat(path).catch(() => null);
  if (found === null) return;
  const present = await ownerOfFile(path);
  if (isSameOwner(present, owner)) return;
  const what =
    present === null
      ? 'exists, and is not the file that a job wrote there'
      : `holds the ${present.kind === 'failed' ? 'failed lines' : 'results'} of job ${present.job}`;
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
