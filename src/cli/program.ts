import { Command, CommanderError } from 'commander';
import { exitCodeOf, isBatchError } from '../core/errors.ts';
import { exitOnClosedStdout } from './closed-pipe.ts';
import { addCommands } from './commands.ts';

/** Runs the command of `process.argv`, and sets `process.exitCode`. */
export async function runProgram(version: string): Promise<void> {
  const program = new Command('durable-batch')
    .version(version)
    .description("OpenAI's Batch API, durably: a file of requests in, one answer per line out.")
    .showHelpAfterError('(see --help)');

  exitOnClosedStdout(process.argv[2]);
  await addCommands(program, process.argv[2]);
  for (const command of [program, ...program.commands]) command.exitOverride();

  try {
    await program.parseAsync();
  } catch (error) {
    process.exitCode = reportError(error);
  }
}

/** The message for a missing module: only the packages of workers are optional. */
const NO_WORKER =
  'This install has no worker: run `npm install durable-batch` without --omit=optional, or use `run --no-worker` if workers run elsewhere.';

/** Writes one line to standard error; returns the exit code. */
function reportError(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (isBatchError(error)) {
    process.stderr.write(`durable-batch: ${error.message}\n`);
    return exitCodeOf(error.code);
  }
  const { code, message } = error as NodeJS.ErrnoException;
  const isWorkerMissing = code === 'ERR_MODULE_NOT_FOUND';
  const text = isWorkerMissing ? NO_WORKER : (message ?? String(error));
  const advice = code === 'ENOSPC' ? ' (the disk is full: free space and run the command again)' : '';
  process.stderr.write(`durable-batch: ${text}${advice}\n`);
  if (process.env['DURABLE_BATCH_DEBUG'] === '1') console.error(error);
  return isWorkerMissing ? 2 : 1;
}
