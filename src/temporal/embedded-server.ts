/**
 * The embedded Temporal server: one dev server per home. The first command that needs it starts it, all later ones share it,
 * and it runs until it is stopped.
 *
 * Any process here may be killed at any moment. The cases found afterwards, and what is done:
 * - the state names a running process: this is the server; wait until it is ready, it may still be starting;
 * - the state names a dead process, or an id that another process has now: start again, on the same ports if they are free;
 * - there is no state, but a process has the database open: its starter was killed before it wrote the state; adopt it;
 * - a lock has a dead holder: take it over (`start-lock.ts`);
 * - the state names a process of another container or machine, whose id has no meaning here: a running server holds a lock of
 *   the operating system. If it is held, use that server if it can be reached (a pod shares its loopback), else refuse to start.
 */
import { open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { tryLock } from './os-lock.ts';
import { isAlive, livenessOf, ownPlace, sharesNetwork } from './process-identity.ts';
import {
  logTail,
  prepareServerFiles,
  readState,
  serverFiles,
  writeState,
  type ServerFiles,
  type ServerState,
} from './server-files.ts';
import { endServer, startServer, type EmbeddedServerOptions } from './server-process.ts';
import { becomesReady, isListening, READY_MS } from './server-readiness.ts';
import { searchServer } from './server-search.ts';
import { withLock } from './start-lock.ts';

const LOCK_WAIT_MS = 1_000;
const RETRY_MS = 25;

/** A running server. */
export interface EmbeddedServer {
  /** `host:port` of its gRPC API. */
  readonly address: string;
  /** URL of its Web UI. */
  readonly uiUrl: string;
  readonly pid: number;
  /** True if this call started it. */
  readonly started: boolean;
}

/** Returns the server of a home and starts it if needed. Takes about 20 ms if it runs, 1 s if not. */
export async function ensureEmbeddedServer(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  const files = await prepareServerFiles(options.home);
  // Without the lock: nothing has to be decided if the server is ready.
  const recorded = (await aliveState(files)) ?? (await sharedNetworkState(files));
  if (recorded !== undefined && (await becomesReady(recorded.port, 0))) return toServer(recorded, false);
  return withLock(files.lock, async () => {
    const running = (await findRunning(files)) ?? (await sharedNetworkState(files));
    if (running === undefined) return toServer(await startExclusively(files, options), true);
    if (!(await becomesReady(running.port, READY_MS))) throw await unresponsive(files, running);
    await writeState(files, { ...running, stopped: false });
    return toServer(running, false);
  });
}

/** Stops the server of a home with SIGTERM, after 10 s with SIGKILL. Returns false if none ran. Keeps the database. */
export async function stopEmbeddedServer(options: { readonly home: string }): Promise<boolean> {
  const found = await serverFiles(options.home);
  if ((await findRunning(found)) === undefined) {
    if ((await lockOfServer(found)) === 'held') throw await runsElsewhere(found);
    return false;
  }
  const files = await prepareServerFiles(options.home);
  return withLock(files.lock, async () => {
    const running = await findRunning(files);
    if (running === undefined) return false;
    // Recorded first, so that `keepEmbeddedServer` does not take the stop for a crash.
    await writeState(files, { ...running, stopped: true });
    await endServer(running);
    return true;
  });
}

/** Returns the server of a home if its process runs. Changes nothing, not even on disk. */
export async function describeEmbeddedServer(options: {
  readonly home: string;
}): Promise<EmbeddedServer | undefined> {
  const files = await serverFiles(options.home);
  const running = (await findRunning(files)) ?? (await sharedNetworkState(files));
  return running === undefined ? undefined : toServer(running, false);
}

async function aliveState(files: ServerFiles): Promise<ServerState | undefined> {
  const state = await readState(files);
  return state !== undefined && (await isAlive(state)) ? state : undefined;
}

async function findRunning(files: ServerFiles): Promise<ServerState | undefined> {
  return (await aliveState(files)) ?? (await searchServer(files));
}

/** The state of a server in another container that shares the loopback with this one, as in a pod. */
async function sharedNetworkState(files: ServerFiles): Promise<ServerState | undefined> {
  const state = await readState(files);
  if (state?.place === undefined || state.stopped || (await livenessOf(state)) !== 'elsewhere')
    return undefined;
  if (!sharesNetwork(state.place, await ownPlace())) return undefined;
  const lock = await lockOfServer(files);
  if (lock === 'unknown') return (await isListening(state.port)) ? state : undefined;
  return lock === 'held' ? state : undefined;
}

/** Whether a server of this home runs, on any machine and in any container; `unknown` if the operating system has no such lock. */
async function lockOfServer(files: ServerFiles): Promise<'free' | 'held' | 'unknown'> {
  const file = await open(files.running, 'r+').catch(() => null);
  if (file === null) return 'free';
  try {
    const lock = await tryLock(file);
    return lock === 'ours' ? 'free' : lock;
  } finally {
    await file.close();
  }
}

/** Starts the server unless another one has the database open. */
async function startExclusively(files: ServerFiles, options: EmbeddedServerOptions): Promise<ServerState> {
  const running = await open(files.running, 'a');
  try {
    const deadline = Date.now() + LOCK_WAIT_MS;
    let lock = await tryLock(running);
    // A process that checks the lock, or a server that is ending, holds it for a moment.
    while (lock === 'held' && Date.now() < deadline) {
      await delay(RETRY_MS);
      lock = await tryLock(running);
    }
    if (lock === 'held') throw await runsElsewhere(files);
    if (lock === 'unknown' && (await mayRunElsewhere(files))) {
      throw await runsElsewhere(files, ` If it certainly no longer runs, delete ${files.state}.`);
    }
    return await startServer(files, options, running);
  } finally {
    // The server has inherited the file, and with it the lock.
    await running.close();
  }
}

/** Used when the lock is `unknown`: true if the last server was started elsewhere and not stopped. A reboot of this host has ended it. */
async function mayRunElsewhere(files: ServerFiles): Promise<boolean> {
  const state = await readState(files);
  if (state?.place === undefined || state.stopped || (await livenessOf(state)) !== 'elsewhere') return false;
  const here = await ownPlace();
  return state.place.host !== here.host && !sharesNetwork(state.place, here);
}

async function runsElsewhere(files: ServerFiles, hint = ''): Promise<BatchError> {
  const state = await readState(files);
  const where =
    state?.place === undefined ? 'elsewhere' : `on ${state.place.host} (process ${state.pid} there)`;
  return new BatchError(
    ErrorCode.TemporalUnavailable,
    `The embedded Temporal server of this home runs ${where}, in another container or on another machine. Only one server may have ` +
      'its database open. End it there, or set TEMPORAL_ADDRESS to one server for all, or give each its own DURABLE_BATCH_HOME.' +
      hint,
  );
}

function toServer(state: ServerState, started: boolean): EmbeddedServer {
  const { pid, port, uiPort } = state;
  return { address: `127.0.0.1:${port}`, uiUrl: `http://127.0.0.1:${uiPort}`, pid, started };
}

async function unresponsive(files: ServerFiles, state: ServerState): Promise<BatchError> {
  return new BatchError(
    ErrorCode.TemporalUnavailable,
    `The embedded Temporal server (process ${state.pid}, 127.0.0.1:${state.port}) does not respond. ` +
      `Stop it with "durable-batch dev --stop" and try again. The end of ${files.log}:\n${await logTail(files)}`,
  );
}
