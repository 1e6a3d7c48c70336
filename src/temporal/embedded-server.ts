/**
 * The embedded Temporal server: one dev server per home, started by the first command that needs it, shared by all
 * later ones, alive until it is stopped.
 *
 * Any process here may be killed at any instant. What is found afterwards, and what is done about it:
 * - state names a living process: that is the server (wait until it answers, it may still be starting);
 * - state names a dead process, or an id that went to another: start again, on the same ports if they are free;
 * - no state, yet a process has our database open: its starter was killed in between; adopt it;
 * - a lock whose holder is dead: take it over (`start-lock.ts`);
 * - state names a process of another container or machine, whose id means nothing here: a server holds a lock of the operating
 *   system for as long as it lives. Held: use that server where it can be reached (one pod, one loopback), else refuse to start.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, type FileHandle } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { freePort } from './free-port.ts';
import { tryLock } from './os-lock.ts';
import { isAlive, judge, ownPlace, processStartTime, sharesNetwork } from './process-identity.ts';
import { serverArguments, serverEnvironment } from './server-command.ts';
import {
  logSize,
  logTail,
  prepareServerFiles,
  readState,
  rotateLog,
  serverFiles,
  writeState,
  type ServerFiles,
  type ServerState,
} from './server-files.ts';
import { becomesReady, isListening } from './server-readiness.ts';
import { searchServer } from './server-search.ts';
import { withLock } from './start-lock.ts';
import { resolveTemporalCli } from './temporal-cli.ts';

const READY_MS = 30_000;
const STOP_MS = 10_000;
const START_TRIES = 3;
const LET_GO_MS = 1_000;
const LOOK_AGAIN_MS = 25;

/** Which home, and who is told of slow steps. */
export interface EmbeddedServerOptions {
  /** `DURABLE_BATCH_HOME`: everything of the server lies in its folder `temporal`. */
  readonly home: string;
  /** Told before a server is started or the CLI is fetched. @default silence */
  readonly log?: ((message: string) => void) | undefined;
  /** Told when a server's process has been started and does not answer yet: half a second for other work. @default nobody */
  readonly onLaunch?: (() => void) | undefined;
}

/** A server that answers. */
export interface EmbeddedServer {
  /** `host:port` of gRPC. */
  readonly address: string;
  /** The Web UI. */
  readonly uiUrl: string;
  readonly pid: number;
  /** True if this call started it. */
  readonly started: boolean;
}

/** Returns the running server of a home, starting it if need be; some 20 ms if it runs, 1 s if it does not. */
export async function ensureEmbeddedServer(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  const files = await prepareServerFiles(options.home);
  // Without the lock: a server that answers needs no decision.
  const recorded = (await livingState(files)) ?? (await stateNextDoor(files));
  if (recorded !== undefined && (await becomesReady(recorded.port, 0))) return toServer(recorded, false);
  return withLock(files.lock, async () => {
    const running = (await findRunning(files)) ?? (await stateNextDoor(files));
    if (running === undefined) return toServer(await startAlone(files, options), true);
    if (!(await becomesReady(running.port, READY_MS))) throw await silentServer(files, running);
    await writeState(files, { ...running, stopped: false });
    return toServer(running, false);
  });
}

/** Stops the server of a home: politely, by force after 10 s. False if none ran. Its database stays. */
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
    // Before its end, so that nobody who keeps it alive takes that for a crash.
    await writeState(files, { ...running, stopped: true });
    await endProcess(running);
    return true;
  });
}

/** The server of a home if its process runs; changes nothing, not even on disk. */
export async function describeEmbeddedServer(options: {
  readonly home: string;
}): Promise<EmbeddedServer | undefined> {
  const files = await serverFiles(options.home);
  const running = (await findRunning(files)) ?? (await stateNextDoor(files));
  return running === undefined ? undefined : toServer(running, false);
}

async function livingState(files: ServerFiles): Promise<ServerState | undefined> {
  const state = await readState(files);
  return state !== undefined && (await isAlive(state)) ? state : undefined;
}

async function findRunning(files: ServerFiles): Promise<ServerState | undefined> {
  return (await livingState(files)) ?? (await searchServer(files));
}

/** The server of another container that has this one's loopback, as in a pod. */
async function stateNextDoor(files: ServerFiles): Promise<ServerState | undefined> {
  const state = await readState(files);
  if (state?.place === undefined || state.stopped || (await judge(state)) !== 'elsewhere') return undefined;
  if (!sharesNetwork(state.place, await ownPlace())) return undefined;
  const lock = await lockOfServer(files);
  if (lock === 'unknown') return (await isListening(state.port)) ? state : undefined;
  return lock === 'held' ? state : undefined;
}

/** Whether a server of this home runs, on whatever machine or in whatever container, as far as the operating system can tell. */
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

/** Starts the server where no other one has the database. */
async function startAlone(files: ServerFiles, options: EmbeddedServerOptions): Promise<ServerState> {
  const running = await open(files.running, 'a');
  try {
    const deadline = Date.now() + LET_GO_MS;
    let lock = await tryLock(running);
    // Held for a moment by whoever looks, and by a server that is just ending.
    while (lock === 'held' && Date.now() < deadline) {
      await delay(LOOK_AGAIN_MS);
      lock = await tryLock(running);
    }
    if (lock === 'held') throw await runsElsewhere(files);
    if (lock === 'unknown' && (await mayRunElsewhere(files))) {
      throw await runsElsewhere(files, ` If it is gone for certain, delete ${files.state}.`);
    }
    return await start(files, options, running);
  } finally {
    // The server has it from now on, and with it the lock.
    await running.close();
  }
}

/** Where the operating system cannot tell: the last server was started in another place and not stopped; a reboot has ended its own. */
async function mayRunElsewhere(files: ServerFiles): Promise<boolean> {
  const state = await readState(files);
  if (state?.place === undefined || state.stopped || (await judge(state)) !== 'elsewhere') return false;
  const here = await ownPlace();
  return state.place.host !== here.host && !sharesNetwork(state.place, here);
}

async function runsElsewhere(files: ServerFiles, doubt = ''): Promise<BatchError> {
  const state = await readState(files);
  const where =
    state?.place === undefined ? 'elsewhere' : `on ${state.place.host} (process ${state.pid} there)`;
  return new BatchError(
    ErrorCode.TemporalUnavailable,
    `The embedded Temporal server of this home runs ${where}, another container or machine, and one server only may have its ` +
      'database open. End it there, or set TEMPORAL_ADDRESS to one server for all, or give each a DURABLE_BATCH_HOME of its own.' +
      doubt,
  );
}

/** Holds the lock. A port may be taken between the choice and the start, hence several tries. */
async function start(
  files: ServerFiles,
  options: EmbeddedServerOptions,
  running: FileHandle,
): Promise<ServerState> {
  const cli = await resolveTemporalCli({ log: options.log });
  const last = await readState(files);
  await rotateLog(files);
  options.log?.(`Starting the embedded Temporal server of ${options.home}`);
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort(attempt === 1 ? last?.port : undefined);
    const uiPort = await freePort(attempt === 1 ? last?.uiPort : undefined);
    const since = await logSize(files);
    const launched = await launch(files, cli, port, uiPort, running, options.onLaunch);
    if (typeof launched !== 'string') return launched;
    const tail = await logTail(files, since);
    if (attempt < START_TRIES && isPortTaken(tail)) continue;
    throw new BatchError(
      ErrorCode.TemporalUnavailable,
      `The embedded Temporal server (${cli}) ${launched}. The end of ${files.log}:\n${tail || '(empty)'}`,
    );
  }
}

/** One of our two ports, or one of those that the server chooses for itself. */
function isPortTaken(log: string): boolean {
  return /address already in use|assigning ephemeral port/.test(log);
}

/** A server that answers, or what became of it instead (and no process is left). */
async function launch(
  files: ServerFiles,
  cli: string,
  port: number,
  uiPort: number,
  running: FileHandle,
  onLaunch: (() => void) | undefined,
): Promise<ServerState | string> {
  const log = await open(files.log, 'a');
  const ended = new AbortController();
  try {
    const child = spawn(cli, serverArguments(files, port, uiPort), {
      cwd: files.folder,
      env: serverEnvironment(files, process.env),
      // A group of its own: Ctrl-C at the command must not reach the server.
      detached: true,
      stdio: ['ignore', log.fd, log.fd, running.fd],
      windowsHide: true,
    });
    child.once('exit', (code, signal) => ended.abort(`ended with ${signal ?? `code ${code}`}`));
    child.once('error', (error) => ended.abort(`could not be started: ${error.message}`));
    child.unref();
    const startTime = child.pid === undefined ? undefined : await processStartTime(child.pid);
    if (child.pid === undefined || startTime === undefined) {
      if (!ended.signal.aborted) await once(ended.signal, 'abort');
      return String(ended.signal.reason);
    }
    const state = { pid: child.pid, startTime, place: await ownPlace(), port, uiPort, cli, stopped: false };
    // Recorded before it is ready: if we are killed now, the next command finds it and waits.
    await writeState(files, state);
    onLaunch?.();
    if (await becomesReady(port, READY_MS, ended.signal)) return state;
    await endProcess(state);
    return ended.signal.aborted ? String(ended.signal.reason) : `did not answer within ${READY_MS / 1000} s`;
  } finally {
    await log.close();
  }
}

/** Signals only a process whose start time proves that it is the recorded one. */
async function endProcess(state: ServerState): Promise<void> {
  if (!(await signal(state, 'SIGTERM'))) return;
  const deadline = Date.now() + STOP_MS;
  while (await isAlive(state)) {
    if (Date.now() > deadline) await signal(state, 'SIGKILL');
    await delay(LOOK_AGAIN_MS);
  }
}

async function signal(state: ServerState, name: NodeJS.Signals): Promise<boolean> {
  if (!(await isAlive(state))) return false;
  try {
    process.kill(state.pid, name);
    return true;
  } catch (error) {
    // It ended in between; anything else (another user's process) must be told.
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}

function toServer(state: ServerState, started: boolean): EmbeddedServer {
  const { pid, port, uiPort } = state;
  return { address: `127.0.0.1:${port}`, uiUrl: `http://127.0.0.1:${uiPort}`, pid, started };
}

async function silentServer(files: ServerFiles, state: ServerState): Promise<BatchError> {
  return new BatchError(
    ErrorCode.TemporalUnavailable,
    `The embedded Temporal server (process ${state.pid}, 127.0.0.1:${state.port}) does not answer. ` +
      `Stop it with "durable-batch dev --stop" and try again. The end of ${files.log}:\n${await logTail(files)}`,
  );
}
