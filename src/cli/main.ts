#!/usr/bin/env node
import { createRequire } from 'node:module';
import { Command, CommanderError } from 'commander';
import { exitCodeOf, isBatchError } from '../core/errors.ts';
import { addCommands } from './commands.ts';
const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

const program = new Command('durable-batch')
  .version(version)
  .description("OpenAI's Batch API, durably: a file of requests in, one answer per line out.")
  .showHelpAfterError('(see --help)');

await addCommands(program, process.argv[2]);
for (const command of [program, ...program.commands]) command.exitOverride();

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = tell(error);
}
// Connections of the native core would keep the process for seconds; everything that matters is awaited above.
process.exit();

/** One line on standard error; answers the exit code. */
function tell(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (isBatchError(error)) {
    process.stderr.write(`durable-batch: ${error.message}\n`);
    return exitCodeOf(error.code);
  }
  const { code, message } = error as NodeJS.ErrnoException;
  process.stderr.write(
    `durable-batch: ${message ?? String(error)}${code === 'ENOSPC' ? ' (the disk is full: make room and run the command again)' : ''}\n`,
  );
  if (process.env['DURABLE_BATCH_DEBUG'] === '1') console.error(error);
  return 1;
}
