/**
 * A lock between processes that heals itself when its holder was killed.
 *
 * Deleting a dead holder's lock file is a race: two processes may both find it dead, and the slower one deletes
 * the lock that the faster one has just taken. So nothing in force is ever deleted. Locks are numbered files, `NAME.1`,
 * `NAME.2`, …; the one with the highest number is in force. It is taken by creating the next number, which only one
 * process can do, once its holder has released it or is dead; the files below are then litter.
 */
import { link, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { privateFolder } from '../core/private-folder.ts';
import { isAlive, processStartTime, type ProcessIdentity } from './process-identity.ts';

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
  const self = { pid: process.pid, startTime: (await processStartTime(process.pid)) ?? 'unknown' };
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const last = (await lockNumbers(path)).at(-1) ?? 0;
    const holder = last === 0 ? undefined : await livingHolder(`${path}.${last}`);
    if (holder === undefined && (await takeNumber(path, last + 1, self))) {
      return () => replaceWhole(`${path}.${last + 1}`, '{}');
    }
    if (Date.now() > deadline) throw heldTooLong(path, holder);
    await delay(LOOK_AGAIN_MS);
  }
}

/** False if another process was faster, or had already gone further when we looked. */
async function takeNumber(path: string, number: number, self: ProcessIdentity): Promise<boolean> {
  const mine = `${path}.${number}`;
  const draft = draftName(path);
  try {
    // `link` creates the file with its content at once; `wx` would show others an empty one for a moment.
    await writeFile(draft, JSON.stringify(self));
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

async function livingHolder(file: string): Promise<ProcessIdentity | undefined> {
  let holder: Partial<ProcessIdentity>;
  try {
    holder = JSON.parse(await readFile(file, 'utf8')) as Partial<ProcessIdentity>;
  } catch {
    // Cleared away since we listed it, or cut short by a power loss: nobody holds it.
    return undefined;
  }
  const { pid, startTime } = holder;
  if (pid === undefined || startTime === undefined) return undefined;
  return (await isAlive({ pid, startTime })) ? { pid, startTime } : undefined;
}

/** The numbers in use, ascending. */
async function lockNumbers(path: string): Promise<number[]> {
  const prefix = `${basename(path)}.`;
  const names = (await readdir(dirname(path))).filter((name) => name.startsWith(prefix));
  const numbers = names.map((name) => name.slice(prefix.length)).filter((rest) => /^\d+$/.test(rest));
  return numbers.map(Number).sort((a, b) => a - b);
}

let drafts = 0;

function draftName(path: string): string {
  drafts += 1;
  return join(dirname(path), `draft-${process.pid}-${drafts}-${basename(path)}`);
}

async function replaceWhole(file: string, text: string): Promise<void> {
  const draft = draftName(file);
  await writeFile(draft, text);
  await rename(draft, file);
}

function heldTooLong(path: string, holder: ProcessIdentity | undefined): BatchError {
  const who = holder === undefined ? 'other commands' : `process ${holder.pid}`;
  const seconds = PATIENCE_MS / 1000;
  return new BatchError(
    ErrorCode.TemporalUnavailable,
    `The embedded Temporal server is held by ${who} for more than ${seconds} s (${path}). End it and try again.`,
  );
}
