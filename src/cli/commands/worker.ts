import { join } from 'node:path';
import { Option, type Command } from 'commander';
import { BatchError, ErrorCode } from '../../core/errors.ts';
import { readEnvironment } from '../../environment.ts';
import { openStore } from '../../store/open-store.ts';
import { keepEmbeddedServer, resolveTemporalTarget } from '../../temporal/index.ts';
import { parseListenAddress, type ListenAddress } from '../../worker/listen-address.ts';
import type { WorkerLogLevel } from '../../worker/install-runtime.ts';
import { closeWorker } from '../close-worker.ts';
import { toNumber } from '../job-options.ts';
import { untilSignal } from '../until-signal.ts';

interface WorkerFlags {
  metricsPort?: number;
  metricsHost: string;
  webhookPort?: number;
  webhookHost: string;
  logLevel: WorkerLogLevel;
}

export function addWorker(program: Command): void {
  program
    .command('worker')
    .description('run a worker until SIGTERM or Ctrl-C')
    .option('--metrics-port <n>', 'serve metrics for Prometheus at /metrics of this port', toNumber)
    .option('--metrics-host <ip>', 'address to serve metrics at', '127.0.0.1')
    .option(
      '--webhook-port <n>',
      "receive OpenAI's webhook events of ended batches at /webhooks/openai of this port; needs OPENAI_WEBHOOK_SECRET",
      toNumber,
    )
    .option('--webhook-host <ip>', 'address to receive webhook events at', '127.0.0.1')
    .addOption(
      new Option('--log-level <level>', 'how much to log to standard error')
        .choices(['debug', 'info', 'warn', 'error'])
        .default('info'),
    )
    .action(work);
}

async function work(flags: WorkerFlags): Promise<void> {
  const { home, taskQueue, patience, webhookSecret } = readEnvironment();
  const metricsAt = addressOf('metrics', flags.metricsHost, flags.metricsPort);
  const webhookAt = addressOf('webhook', flags.webhookHost, flags.webhookPort);
  checkAddresses(metricsAt, webhookAt, webhookSecret);
  const store = openStore(join(home, 'store'));
  const worker = await import('../../worker/index.ts');
  // Ports first: a wrong one is reported before anything is started.
  if (metricsAt === null) worker.installRuntime(flags.logLevel);
  else await worker.installRuntimeWithMetrics(flags.logLevel, metricsAt);
  const metrics = worker.createJobMetrics();
  const api = worker.createApi((call) => metrics.apiCalled(call));
  await using webhooks =
    webhookAt === null
      ? null
      : await (
          await import('../../worker/webhook-server.ts')
        ).startWebhookServer({ address: webhookAt, secret: webhookSecret!, api, metrics });
  await worker.checkApi(api);
  await store.check();
  const target = await resolveTemporalTarget({
    home,
    log: (text) => void process.stderr.write(`${text}\n`),
  });
  await using _server = target.kind === 'embedded' ? keepEmbeddedServer({ home }) : null;
  const running = await worker.startWorker({ target, home, taskQueue, patience, api, metrics });
  await using _background =
    metricsAt === null && webhooks === null
      ? null
      : await (
          await import('../../worker/background-services.ts')
        ).startBackgroundServices({
          target,
          metrics: metricsAt === null ? null : metrics,
          webhooks,
          waker: { api, store, patience },
        });
  process.stderr.write(
    `Worker on queue ${taskQueue} at ${target.connection.address}. SIGTERM stops it within ${worker.SHUTDOWN_GRACE_MS / 1_000} s.\n`,
  );
  await Promise.race([running.stopped, untilSignal()]);
  await closeWorker(running);
}

function addressOf(option: ListenAddress['option'], host: string, port?: number): ListenAddress | null {
  return port === undefined ? null : parseListenAddress({ host, port, option });
}

function checkAddresses(
  metricsAt: ListenAddress | null,
  webhookAt: ListenAddress | null,
  secret: string | null,
): void {
  if (webhookAt === null) return;
  if (secret === null) {
    throw new BatchError(
      ErrorCode.BadOption,
      "Option --webhook-port needs OPENAI_WEBHOOK_SECRET: set it to the signing secret (whsec_…) that OpenAI's project settings showed when the webhook was created.",
    );
  }
  if (metricsAt?.port === webhookAt.port) {
    throw new BatchError(
      ErrorCode.BadOption,
      `Options --metrics-port and --webhook-port are both ${webhookAt.port}: give each a port of its own.`,
    );
  }
}
