/** Brings a crashed embedded server back while a command depends on it. */
import { setTimeout as delay } from 'node:timers/promises';
import { ensureEmbeddedServer, type EmbeddedServerOptions } from './embedded-server.ts';
import { judge } from './process-identity.ts';
import { readState, serverFiles, type ServerFiles } from './server-files.ts';
import { isListening } from './server-readiness.ts';

/** A look costs two small reads; gRPC clients and workers find the server again within seconds anyway. */
const LOOK_AGAIN_MS = 1_000;

/**
 * Starts the server of a home again whenever its process dies without having been asked to, until disposed of.
 *
 * For commands that outlast a few seconds (`run`, `watch`, `worker`) with an embedded target. Several may watch one home:
 * the lock of `ensureEmbeddedServer` lets one of them act. Connections find it again, as it comes back on its ports.
 */
export function keepEmbeddedServer(options: EmbeddedServerOptions): AsyncDisposable {
  const closing = new AbortController();
  const watching = watch(options, closing.signal);
  return {
    async [Symbol.asyncDispose](): Promise<void> {
      closing.abort();
      await watching;
    },
  };
}

async function watch(options: EmbeddedServerOptions, closing: AbortSignal): Promise<void> {
  const files = await serverFiles(options.home);
  let told = '';
  for (;;) {
    // Rejects only when disposed of; does not keep a process alive that has nothing else to do.
    await delay(LOOK_AGAIN_MS, undefined, { signal: closing, ref: false }).catch(() => {});
    if (closing.aborted) return;
    if (!(await hasCrashed(files))) continue;
    try {
      await ensureEmbeddedServer(options);
    } catch (error) {
      // Told once, tried on: a full disk may be emptied, a missing program put back.
      const message = error instanceof Error ? error.message : String(error);
      if (message !== told) options.log?.(message);
      told = message;
    }
  }
}

/** True if the last server of a home ended without having been asked to. */
export async function hasCrashed(files: ServerFiles): Promise<boolean> {
  const state = await readState(files);
  if (state === undefined || state.stopped) return false;
  const life = await judge(state);
  // We use one of another container only where we have its loopback.
  return life === 'elsewhere' ? !(await isListening(state.port)) : life === 'dead';
}
