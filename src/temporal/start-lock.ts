/**
 * A lock between processes that heals itself when its holder was killed.
 *
 * Deleting a dead holder's lock file is a race: two processes may both find it dead, and the slower one deletes
 * the lock that the faster one has just taken. So nothing in force is ever deleted. Locks are numbered files, `NAME.1`,
 * `NAME.2`, …; the one with the highest number is in force. It is taken by creating the next number, which only one
 * process can do, once its holder has released it or is dead; the files below are then litter.
 */
import { randomUUID } from 'node:crypto';
import { link, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { privateFolder } from '../core/private-folder.ts';
import { findHolder, keepHeld, nameOf, type Holder } from './held-file.ts';
import { ownIdentity } from './process-identity.ts';

const LOOK_AGAIN_MS = 25;
/** Longer than any holder may need: 30 s to start a server, and as much to give up. */
const PATIENCE_MS = 90_000;

/** Runs `work` while holding the lock at `path`; waits for a living holder, at most 90 s. */
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
  const deadline = Date.now() + PATIENCE_MS;
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
    await delay(LOOK_AGAIN_MS);
  }
}

/** False if another process was faster, or had already gone further when we looked. */
async function takeNumber(path: string, number: number, self: string): Promise<boolean> {
  const mine = `${path}.${number}`;
  const draft = draftName(path);
  try {
    // `link` creates the file with its content at once; `wx` would show others an empty one for a moment.
    await writeFile(draft, self);
    await link(draft, mine);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
  const numbers = await lockNumbers(path);
  const inForce = numbers.at(-1) === number;
  // Our number had been used and cleared away meanwhile: a higher one is in force.
  const litter = inForce ? numbers.slice(0, -1) : [number];
  await Promise.all(litter.map((old) => rm(`${path}.${old}`, { force: true })));
  return inForce;
}

/** Cleared away since we listed it, or cut short by a power loss: nobody holds it. */
async function livingHolder(file: string): Promise<Holder | undefined> {
  const holder = await findHolder(file);
  return typeof holder === 'string' ? undefined : holder;
}

/** The numbers in use, ascending. */
async function lockNumbers(path: string): Promise<number[]> {
  const prefix = `${basename(path)}.`;
  const names = (await readdir(dirname(path))).filter((name) => name.startsWith(prefix));
  const numbers = names.map((name) => name.slice(prefix.length)).filter((rest) => /^\d+$/.test(rest));
  return numbers.map(Number).sort((a, b) => a - b);
}

function draftName(path: string): string {
  // Processes of two containers may have the same id.
  return join(dirname(path), `draft-${randomUUID()}-${basename(path)}`);
}

async function replaceWhole(file: string, text: string): Promise<void> {
  const draft = draftName(file);
  await writeFile(draft, text);
  await rename(draft, file);
}

function heldTooLong(path: string, holder: Holder | undefined): BatchError {
  const who = holder === undefined ? 'other commands' : nameOf(holder);
  const seconds = PATIENCE_MS / 1000;
  return new BatchError(
    ErrorCode.TemporalUnavailable,
    `The embedded Temporal server is held by ${who} for more than ${seconds} s (${path}). End it and try again.`,
  );
}
