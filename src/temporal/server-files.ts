/** The files in the `temporal` folder of a home, and the state file. */
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { privateFolder } from '../core/private-folder.ts';
import type { ProcessIdentity, ProcessPlace } from './process-identity.ts';

/** A start renames a log that is larger than this. */
const LOG_LIMIT_BYTES = 10 * 1024 * 1024;

/** Absolute paths of the server's files in one home. */
export interface ServerFiles {
  readonly folder: string;
  readonly database: string;
  readonly log: string;
  readonly state: string;
  readonly lock: string;
  /** Locked by the operating system while a server runs. */
  readonly running: string;
}

/** The last server that was started in a home, whether or not it still runs. */
export interface ServerState extends ProcessIdentity {
  readonly port: number;
  readonly uiPort: number;
  /** Path of its program. */
  readonly cli: string;
  /** True once it was stopped on purpose: its end is then not a crash. */
  readonly stopped: boolean;
}

/** The paths under `home`; the folder need not exist. */
export async function serverFiles(home: string): Promise<ServerFiles> {
  const wanted = resolve(home, 'temporal');
  // The real path, since a home may have several names (a link) and the server's process is found by the path.
  const folder = await realpath(wanted).catch(() => wanted);
  return {
    folder,
    database: join(folder, 'temporal.db'),
    log: join(folder, 'server.log'),
    state: join(folder, 'server.json'),
    lock: join(folder, 'server.lock'),
    running: join(folder, 'server.running'),
  };
}

/**
 * Like `serverFiles`, and creates the folder.
 * @throws BatchError `store_unavailable` when the folder cannot be created or written
 */
export async function prepareServerFiles(home: string): Promise<ServerFiles> {
  const folder = resolve(home, 'temporal');
  try {
    await mkdir(folder, privateFolder);
    const probe = join(folder, `.writable-${randomUUID()}`); // unique, for concurrent calls
    await writeFile(probe, '');
    await rm(probe);
  } catch (error) {
    throw new BatchError(
      ErrorCode.StoreUnavailable,
      `Cannot write to ${folder}: ${error instanceof Error ? error.message : String(error)}. ` +
        'Make the folder writable or set DURABLE_BATCH_HOME to one that is.',
      { cause: error },
    );
  }
  return serverFiles(home);
}

/** Returns the recorded state, or undefined if there is no valid one. */
export async function readState(files: ServerFiles): Promise<ServerState | undefined> {
  let found: Partial<Record<keyof ServerState, unknown>>;
  try {
    found = JSON.parse(await readFile(files.state, 'utf8')) as typeof found;
  } catch {
    // Missing or damaged: the server's process is then searched for by its database.
    return undefined;
  }
  const { pid, startTime, place, port, uiPort, cli, stopped } = found;
  if (!isPositive(pid) || !isPositive(port) || !isPositive(uiPort)) return undefined;
  if (typeof startTime !== 'string' || typeof cli !== 'string') return undefined;
  return {
    pid,
    startTime,
    ...(isPlace(place) ? { place } : {}),
    port,
    uiPort,
    cli,
    stopped: stopped === true,
  };
}

function isPlace(value: unknown): value is ProcessPlace {
  if (typeof value !== 'object' || value === null) return false;
  const { host, boot, pids, network } = value as Partial<Record<keyof ProcessPlace, unknown>>;
  return [host, boot, pids, network].every((part) => typeof part === 'string');
}

/** Records the state atomically. */
export async function writeState(files: ServerFiles, state: ServerState): Promise<void> {
  const draft = `${files.state}.${randomUUID()}.tmp`;
  await writeFile(draft, `${JSON.stringify(state, null, 2)}\n`);
  await rename(draft, files.state);
}

/** Renames a large log to `server.log.1`, so that the size of both stays bounded over restarts. */
export async function rotateLog(files: ServerFiles): Promise<void> {
  const size = await logSize(files);
  if (size > LOG_LIMIT_BYTES) await rename(files.log, `${files.log}.1`);
}

const TAIL_LINES = 15;

/** Upper bound for a panic with its stack; the panic about a port in use had 102 lines (version 1.9.1). */
const PANIC_LINES = 1_000;

/** The cause of a panic is logged right before it. */
const LINES_BEFORE_PANIC = 3;

/** Returns the present size of the server's log in bytes. */
export async function logSize(files: ServerFiles): Promise<number> {
  return await stat(files.log).then(
    ({ size }) => size,
    () => 0,
  );
}

/** Returns the last lines of the server's log after the first `since` bytes, for an error message. */
export async function logTail(files: ServerFiles, since = 0): Promise<string> {
  const bytes = await readFile(files.log).catch(() => Buffer.alloc(0));
  const lines = bytes.subarray(since).toString().trimEnd().split('\n').slice(-PANIC_LINES);
  // The message of a panic is before its stack, which does not help the user.
  const panic = lines.findLastIndex((line) => line.startsWith('panic: '));
  const quoted =
    panic === -1 ? lines.slice(-TAIL_LINES) : lines.slice(Math.max(0, panic - LINES_BEFORE_PANIC), panic + 1);
  return quoted.join('\n');
}

function isPositive(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) > 0;
}
