/** Restarts a crashed embedded server while a command needs it. */
import { setTimeout as delay } from 'node:timers/promises';
import { ensureEmbeddedServer } from './embedded-server.ts';
import { livenessOf } from './process-identity.ts';
import { readState, serverFiles, type ServerFiles } from './server-files.ts';
import type { EmbeddedServerOptions } from './server-process.ts';
import { isListening } from './server-readiness.ts';

/** A check costs two small reads; gRPC clients and workers take seconds to reconnect anyway. */
const CHECK_MS = 1_000;

/**
 * Restarts the server of a home whenever its process ends without being stopped, until disposed of.
 *
 * For commands that run longer than a few seconds (`run`, `watch`, `worker`) with an embedded target. Several processes may
 * keep the server of one home: the lock of `ensureEmbeddedServer` lets one of them restart it. It uses the same ports, so that
 * connections recover.
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
  let reported = '';
  for (;;) {
    // Rejects only when disposed of; does not keep the process alive.
    await delay(CHECK_MS, undefined, { signal: closing, ref: false }).catch(() => {});
    if (closing.aborted) return;
    if (!(await hasCrashed(files))) continue;
    try {
      await ensureEmbeddedServer(options);
    } catch (error) {
      // Reported once and retried: a full disk may get space, a missing program may be installed.
      const message = error instanceof Error ? error.message : String(error);
      if (message !== reported) options.log?.(message);
      reported = message;
    }
  }
}

/** True if the last server of a home ended without being stopped. */
export async function hasCrashed(files: ServerFiles): Promise<boolean> {
  const state = await readState(files);
  if (state === undefined || state.stopped) return false;
  const life = await livenessOf(state);
  // A server of another container is used only if it shares the loopback.
  return life === 'elsewhere' ? !(await isListening(state.port)) : life === 'dead';
}
