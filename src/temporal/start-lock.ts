/**
 * A lock between processes that can be taken over when its holder was killed.
 *
 * Deleting a dead holder's lock file would be a race: two processes may both find it dead, and the slower one deletes the lock
 * that the faster one has just taken. So the current lock is never deleted. Locks are numbered files, `NAME.1`, `NAME.2`, …;
 * the highest number is the current lock. Once its holder has released it or is dead, a process takes the lock by creating the
 * next number, which only one process can do; lower numbers are then deleted.
 */
import { randomUUID } from 'node:crypto';
import { link, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { privateFolder } from '../core/private-folder.ts';
import { findHolder, keepHeld, nameOf, type Holder } from './held-file.ts';
import { ownIdentity } from './process-identity.ts';

const RETRY_MS = 25;
/** Longer than any holder should need: 30 s to start a server, and as much to give up. */
const WAIT_MS = 90_000;

/** Runs `work` while holding the lock at `path`; waits at most 90 s for a running holder. */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const release = await acquire(path);
  try {
    return await work();
  } finally {
    await release();
  }
}

async function acquire(path: string): Promise<() => Promise<void>> {
  await mkdir(dirname(path), privateFolder);
  const self = JSON.stringify(await ownIdentity());
  const deadline = Date.now() + WAIT_MS;
  for (;;) {
    const last = (await lockNumbers(path)).at(-1) ?? 0;
    const holder = last === 0 ? undefined : await livingHolder(`${path}.${last}`);
    if (holder === undefined && (await takeNumber(path, last + 1, self))) {
      const mine = `${path}.${last + 1}`;
      const held = await keepHeld(mine, self);
      return async () => {
        await held[Symbol.asyncDispose]();
        await replaceWhole(mine, '{}');
      };
    }
    if (Date.now() > deadline) throw heldTooLong(path, holder);
    await delay(RETRY_MS);
  }
}

/** Returns false if another process has taken this number or a higher one. */
async function takeNumber(path: string, number: number, self: string): Promise<boolean> {
  const mine = `${path}.${number}`;
  const draft = draftName(path);
  try {
    // `link` creates the file with its content atomically; with `wx` it would be empty for a moment.
    await writeFile(draft, self);
    await link(draft, mine);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
  const numbers = await lockNumbers(path);
  const isCurrent = numbers.at(-1) === number;
  // If a higher number exists, our number had been used and deleted before.
  const obsolete = isCurrent ? numbers.slice(0, -1) : [number];
  await Promise.all(obsolete.map((old) => rm(`${path}.${old}`, { force: true })));
  return isCurrent;
}

/** Undefined for a dead holder, and for a file that was deleted or cut by a power loss. */
async function livingHolder(file: string): Promise<Holder | undefined> {
  const holder = await findHolder(file);
  return typeof holder === 'string' ? undefined : holder;
}

/** Returns the existing lock numbers, ascending. */
async function lockNumbers(path: string): Promise<number[]> {
  const prefix = `${basename(path)}.`;
  const names = (await readdir(dirname(path))).filter((name) => name.startsWith(prefix));
  const numbers = names.map((name) => name.slice(prefix.length)).filter((rest) => /^\d+$/.test(rest));
  return numbers.map(Number).sort((a, b) => a - b);
}

function draftName(path: string): string {
  // Not the process id, which processes of two containers may share.
  return join(dirname(path), `draft-${randomUUID()}-${basename(path)}`);
}

async function replaceWhole(file: string, text: string): Promise<void> {
  const draft = draftName(file);
  await writeFile(draft, text);
  await rename(draft, file);
}

function heldTooLong(path: string, holder: Holder | undefined): BatchError {
  const who = holder === undefined ? 'other commands' : nameOf(holder);
  const seconds = WAIT_MS / 1000;
  return new BatchError(
    ErrorCode.TemporalUnavailable,
    `The start lock of the embedded Temporal server is held by ${who} for more than ${seconds} s (${path}). End that process and try again.`,
  );
}
