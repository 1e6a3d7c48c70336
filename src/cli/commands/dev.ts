import type { Command } from 'commander';
import { readEnvironment } from '../../environment.ts';
import { describeEmbeddedServer, ensureEmbeddedServer, stopEmbeddedServer } from '../../temporal/index.ts';
import { toJson } from '../to-json.ts';

export function addDev(program: Command): void {
  program
    .command('dev')
    .description(
      'start the embedded Temporal server, or print its address; it keeps running for later commands',
    )
    .option('--stop', 'stop it; jobs keep their progress')
    .option('--status', 'only print whether it is running')
    .option('--json', 'print JSON')
    .action(async (flags: { stop?: boolean; status?: boolean; json?: boolean }) => {
      const { home } = readEnvironment();
      const print = (value: object, text: string): void =>
        void process.stdout.write(`${flags.json === true ? toJson(value) : text}\n`);
      if (flags.stop === true) {
        const stopped = await stopEmbeddedServer({ home });
        print(
          { stopped },
          stopped ? 'The embedded Temporal server has stopped.' : 'No embedded Temporal server runs here.',
        );
        return;
      }
      if (flags.status === true) {
        const server = await describeEmbeddedServer({ home });
        print(
          { running: server !== undefined && server !== null, server },
          server === undefined || server === null
            ? 'No embedded Temporal server runs here.'
            : `temporal   ${server.address}\nweb ui     ${server.uiUrl}`,
        );
        return;
      }
      const server = await ensureEmbeddedServer({
        home,
        log: (text) => void process.stderr.write(`${text}\n`),
      });
      print(
        server,
        `temporal   ${server.address}\nweb ui     ${server.uiUrl}\nstop with  durable-batch dev --stop`,
      );
    });
}
