import type { Command } from 'commander';
import { readEnvironment } from '../../environment.ts';
import { connectClient, registerSearchAttributes, resolveTemporalTarget } from '../../temporal/index.ts';
import { toJson } from '../to-json.ts';

export function addSetup(program: Command): void {
  program
    .command('setup')
    .description(
      'register the search attributes of jobs in the Temporal namespace; needed once, safe to repeat',
    )
    .option('--json', 'print JSON')
    .action(async (flags: { json?: boolean }) => {
      const { home } = readEnvironment();
      const log = (text: string): void => void process.stderr.write(`${text}\n`);
      const target = await resolveTemporalTarget({ home, log });
      const connection = await connectClient(target);
      try {
        const { added, present } = await registerSearchAttributes(connection, target);
        const { namespace } = target;
        process.stdout.write(
          flags.json === true
            ? `${toJson({ namespace, added, present })}\n`
            : [
                ...added.map((name) => `added    ${name}`),
                ...present.map((name) => `present  ${name}`),
                '',
              ].join('\n'),
        );
      } finally {
        await connection.close();
      }
    });
}
