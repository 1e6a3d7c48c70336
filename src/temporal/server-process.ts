/** The process of the embedded Temporal server: starts it and ends it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, type FileHandle } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { freePort } from './free-port.ts';
import { isAlive, ownPlace, processStartTime } from './process-identity.ts';
import { serverArguments, serverEnvironment } from './server-command.ts';
import {
  logSize,
  logTail,
  readState,
  rotateLog,
  writeState,
  type ServerFiles,
  type ServerState,
} from './server-files.ts';
import { becomesReady, READY_MS } from './server-readiness.ts';
import { resolveTemporalCli } from './temporal-cli.ts';

const STOP_MS = 10_000;
const START_TRIES = 3;
const POLL_MS = 25;

/** Options of `ensureEmbeddedServer` and `keepEmbeddedServer`. */
export interface EmbeddedServerOptions {
  /** `DURABLE_BATCH_HOME`; the server's files are in its folder `temporal`. */
  readonly home: string;
  /** Called before a server is started or the CLI is downloaded. @default none */
  readonly log?: ((message: string) => void) | undefined;
  /** Called when the server's process has started but is not ready yet: half a second for other work. @default none */
  readonly onLaunch?: (() => void) | undefined;
}

/**
 * Starts a server; the caller holds the start lock. Another process may take a port between its choice and the start, hence
 * several tries. The server inherits `running`, and with it the lock on that file.
 */
export async function startServer(
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

/** True if one of our two ports, or one of those that the server chooses itself, is in use. */
function isPortTaken(log: string): boolean {
  return /address already in use|assigning ephemeral port/.test(log);
}

/** Returns the state of a server that is ready, or why it failed; after a failure no process is left. */
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
      // Its own process group: Ctrl-C in the terminal must not reach the server.
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
    // Recorded before it is ready: if this process is killed now, the next command finds the server and waits.
    await writeState(files, state);
    onLaunch?.();
    if (await becomesReady(port, READY_MS, ended.signal)) return state;
    await endServer(state);
    return ended.signal.aborted ? String(ended.signal.reason) : `was not ready within ${READY_MS / 1000} s`;
  } finally {
    await log.close();
  }
}

/** Ends the server: with SIGTERM, after 10 s with SIGKILL. Signals only a process with the recorded start time. */
export async function endServer(state: ServerState): Promise<void> {
  if (!(await signal(state, 'SIGTERM'))) return;
  const deadline = Date.now() + STOP_MS;
  while (await isAlive(state)) {
    if (Date.now() > deadline) await signal(state, 'SIGKILL');
    await delay(POLL_MS);
  }
}

async function signal(state: ServerState, name: NodeJS.Signals): Promise<boolean> {
  if (!(await isAlive(state))) return false;
  try {
    process.kill(state.pid, name);
    return true;
  } catch (error) {
    // It has ended in between; any other error (such as no permission) is reported.
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}
