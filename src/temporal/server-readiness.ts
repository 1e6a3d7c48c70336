/** Checks over gRPC whether a server is ready, and sets its retention of closed workflows. */
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Connection as ConnectionClass } from '@temporalio/client';

/** How long a started server may take until it is ready. */
export const READY_MS = 30_000;
const RETRY_MS = 20;
const CALL_MS = 5_000;
/** The dev server deletes a closed workflow after a day; a job should still be found after a month. */
const RETENTION_MS = 90 * 24 * 3600 * 1000;

/** Waits until namespace `default` can be used. Returns false if it cannot within `waitMs`, or if `signal` is aborted. */
export async function becomesReady(port: number, waitMs: number, signal?: AbortSignal): Promise<boolean> {
  // Imported while the server starts, since it takes 0.3 s.
  const loading = import('@temporalio/client');
  const deadline = Date.now() + waitMs;
  for (;;) {
    if ((await isListening(port)) && (await respondsToCalls((await loading).Connection, port))) return true;
    if (Date.now() > deadline || signal?.aborted === true) return false;
    await delay(RETRY_MS);
  }
}

/** True if the port accepts connections. A socket costs a tenth of a gRPC channel, and gRPC would back off after a refusal. */
export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', timeout: CALL_MS });
    const end = (listening: boolean) => (): void => {
      socket.destroy();
      resolve(listening);
    };
    socket.once('connect', end(true)).once('error', end(false)).once('timeout', end(false));
  });
}

/** Takes one call, and a second one for a new server, to set the retention. */
async function respondsToCalls(Connection: typeof ConnectionClass, port: number): Promise<boolean> {
  const { msToTs, optionalTsToMs } = await import('@temporalio/common/lib/time.js');
  // No interceptors: they would retry, which the caller's loop does.
  const connection = Connection.lazy({ address: `127.0.0.1:${port}`, interceptors: [] });
  try {
    return await connection.withDeadline(Date.now() + CALL_MS, async () => {
      const { workflowService } = connection;
      const { config } = await workflowService.describeNamespace({ namespace: 'default' });
      if ((optionalTsToMs(config?.workflowExecutionRetentionTtl) ?? 0) < RETENTION_MS) {
        const longer = { workflowExecutionRetentionTtl: msToTs(RETENTION_MS) };
        await workflowService.updateNamespace({ namespace: 'default', config: longer });
      }
      return true;
    });
  } catch {
    // Not ready yet, or not a Temporal server: the caller's deadline ends both.
    return false;
  } finally {
    await connection.close();
  }
}
