/** Asks a server over gRPC whether it is ready, and keeps closed workflows in it for long. */
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Connection as ConnectionClass } from '@temporalio/client';

const ASK_AGAIN_MS = 20;
const ANSWER_MS = 5_000;
/** The dev server forgets a closed workflow after a day; a job's page and report should be there next month. */
const RETENTION_MS = 90 * 24 * 3600 * 1000;

/** True once namespace `default` can be used; false if it cannot by the deadline or `signal` says to stop asking. */
export async function becomesReady(port: number, waitMs: number, signal?: AbortSignal): Promise<boolean> {
  // Loaded while the server starts: 0.3 s that are not lost.
  const loading = import('@temporalio/client');
  const deadline = Date.now() + waitMs;
  for (;;) {
    if ((await isListening(port)) && (await answers((await loading).Connection, port))) return true;
    if (Date.now() > deadline || signal?.aborted === true) return false;
    await delay(ASK_AGAIN_MS);
  }
}

/** A socket costs a tenth of a gRPC channel, and a refused one no back-off. */
export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', timeout: ANSWER_MS });
    const end = (listening: boolean) => (): void => {
      socket.destroy();
      resolve(listening);
    };
    socket.once('connect', end(true)).once('error', end(false)).once('timeout', end(false));
  });
}

/** One round trip; a second one the first time, to set the retention. */
async function answers(Connection: typeof ConnectionClass, port: number): Promise<boolean> {
  const { msToTs, optionalTsToMs } = await import('@temporalio/common/lib/time.js');
  // No interceptors: they would retry, and this loop does.
  const connection = Connection.lazy({ address: `127.0.0.1:${port}`, interceptors: [] });
  try {
    return await connection.withDeadline(Date.now() + ANSWER_MS, async () => {
      const { workflowService } = connection;
      const { config } = await workflowService.describeNamespace({ namespace: 'default' });
      if ((optionalTsToMs(config?.workflowExecutionRetentionTtl) ?? 0) < RETENTION_MS) {
        const longer = { workflowExecutionRetentionTtl: msToTs(RETENTION_MS) };
        await workflowService.updateNamespace({ namespace: 'default', config: longer });
      }
      return true;
    });
  } catch {
    // Not yet up, or not a Temporal server at all: both end at the caller's deadline.
    return false;
  } finally {
    await connection.close();
  }
}
