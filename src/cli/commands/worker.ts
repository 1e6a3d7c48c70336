import type { Command } from 'commander';
import { readEnvironment } from '../../environment.ts';
import { keepEmbeddedServer, resolveTemporalTarget } from '../../temporal/index.ts';
import { untilSignal } from '../until-signal.ts';

export function addWorker(program: Command): void {
  program
    .command('worker')
    .description('work on jobs until SIGTERM or Ctrl-C')
    .action(async () => {
      const { home, taskQueue, patience } = readEnvironment();
      const { checkApi, createApi } = await import('../../worker/openai-api.ts');
      const api = createApi();
      await checkApi(api);
      const target = await resolveTemporalTarget({
        home,
        log: (text) => void process.stderr.write(`${text}\n`),
      });
      const { installRuntime, startWorker, SHUTDOWN_GRACE_MS } = await import('../../worker/index.ts');
      installRuntime('warn');
      await using _server = target.kind === 'embedded' ? keepEmbeddedServer({ home }) : null;
      const worker = await startWorker({ target, home, taskQueue, patience, api });
      process.stderr.write(
        `Worker on queue ${taskQueue} at ${target.connection.address}. SIGTERM ends it within ${SHUTDOWN_GRACE_MS / 1_000} s.\n`,
      );
      await Promise.race([worker.stopped, untilSignal()]);
      await worker.close();
    });
}
