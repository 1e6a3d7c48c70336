import { isIPv6 } from 'node:net';
import { DefaultLogger, makeTelemetryFilterString, Runtime, type LogLevel } from '@temporalio/worker';
import { pino } from 'pino';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { histogramBuckets } from './job-metrics.ts';
import { assertPortIsFree, parseListenAddress } from './listen-address.ts';

/** How much a worker logs, from most to least. */
export type WorkerLogLevel = 'debug' | 'info' | 'warn' | 'error';

/** By itself Temporal's core prints to standard output, which is kept for what scripts read. */
const logging = { forward: {}, filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }) };

/**
 * Sends the logs of Temporal's runtime and of the worker to standard error, one JSON object a line; they hold ids and
 * counts, no prompt text. Signals stay the caller's business. Call before the first worker.
 */
export function installRuntime(level: WorkerLogLevel): void {
  Runtime.install({ logger: createLogger(level), shutdownSignals: [], telemetryOptions: { logging } });
}

/**
 * The same, and serves Temporal's metrics and ours as Prometheus text at `/metrics` of an address.
 * @throws BatchError `bad_option` when nothing can listen there
 */
export async function installRuntimeWithMetrics(
  level: WorkerLogLevel,
  { host = '127.0.0.1', port }: { readonly host?: string; readonly port: number },
): Promise<void> {
  // The runtime's own error names neither option nor address.
  await assertPortIsFree(parseListenAddress({ host, port, option: 'metrics' }));
  try {
    Runtime.install({
      logger: createLogger(level),
      shutdownSignals: [],
      telemetryOptions: {
        logging,
        metrics: {
          prometheus: {
            bindAddress: `${isIPv6(host) ? `[${host}]` : host}:${port}`,
            countersTotalSuffix: true,
            useSecondsForDurations: true,
            histogramBucketOverrides: { ...histogramBuckets },
          },
        },
      },
    });
  } catch (error) {
    throw new BatchError(
      ErrorCode.BadOption,
      `Metrics cannot be served at ${host}:${port}: ${(error as Error).message}. Choose another --metrics-port.`,
      { cause: error },
    );
  }
}

function createLogger(level: WorkerLogLevel): DefaultLogger {
  const log = pino({ name: 'durable-batch', level }, pino.destination({ dest: 2, sync: true }));
  return new DefaultLogger(level.toUpperCase() as LogLevel, ({ level: of, message, meta }) => {
    // The token lets whoever has it end the step in the worker's place; it says nothing to a reader.
    const { taskToken: _, ...said } = (meta ?? {}) as Record<string, unknown>;
    log[of === 'TRACE' || of === 'DEBUG' ? 'debug' : (of.toLowerCase() as WorkerLogLevel)](said, message);
  });
}
