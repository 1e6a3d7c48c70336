import { isIPv6 } from 'node:net';
import { DefaultLogger, makeTelemetryFilterString, Runtime, type LogLevel } from '@temporalio/worker';
import { pino } from 'pino';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { histogramBuckets } from './job-metrics.ts';
import { assertPortIsFree, parseListenAddress } from './listen-address.ts';

/** Log levels of a worker, from most to least output. */
export type WorkerLogLevel = 'debug' | 'info' | 'warn' | 'error';

/** By default Temporal's core prints to standard output, which is reserved for output that scripts read. */
const logging = { forward: {}, filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }) };

/**
 * Sends the logs of Temporal's runtime and of the worker to standard error, one JSON object per line. They contain ids and
 * counts, no prompt text. The runtime handles no signals: the caller does. Call this before the first worker.
 */
export function installRuntime(level: WorkerLogLevel): void {
  Runtime.install({ logger: createLogger(level), shutdownSignals: [], telemetryOptions: { logging } });
}

/**
 * Does the same as `installRuntime`, and serves the metrics of Temporal and of jobs as Prometheus text at `/metrics` of an address.
 * @throws BatchError `bad_option` when the address cannot be used
 */
export async function installRuntimeWithMetrics(
  level: WorkerLogLevel,
  { host = '127.0.0.1', port }: { readonly host?: string; readonly port: number },
): Promise<void> {
  // The runtime's own error contains neither option nor address.
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
    // Anyone who has the token can complete the activity; it is of no use in a log.
    const { taskToken: _, ...fields } = (meta ?? {}) as Record<string, unknown>;
    log[of === 'TRACE' || of === 'DEBUG' ? 'debug' : (of.toLowerCase() as WorkerLogLevel)](fields, message);
  });
}
