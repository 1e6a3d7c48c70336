import { Command, CommanderError } from 'commander';
import { exitCodeOf, isBatchError } from '../core/errors.ts';
import { exitOnClosedStdout } from './closed-pipe.ts';
import { addCommands } from './commands.ts';

/** Runs the command that the process was started with, and leaves its exit code in `process.exitCode`. */
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
    process.exitCode = tell(error);
  }
}

/** All that a command may load and not find: packages of workers are optional ones. */
const NO_WORKER =
  'This install has no worker: run `npm install durable-batch` without --omit=optional, or `run` with --no-worker where workers run elsewhere.';

/** One line on standard error; answers the exit code. */
function tell(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (isBatchError(error)) {
    process.stderr.write(`durable-batch: ${error.message}\n`);
    return exitCodeOf(error.code);
  }
  const { code, message } = error as NodeJS.ErrnoException;
  const isWorkerMissing = code === 'ERR_MODULE_NOT_FOUND';
  const text = isWorkerMissing ? NO_WORKER : (message ?? String(error));
  const advice = code === 'ENOSPC' ? ' (the disk is full: make room and run the command again)' : '';
  process.stderr.write(`durable-batch: ${text}${advice}\n`);
  if (process.env['DURABLE_BATCH_DEBUG'] === '1') console.error(error);
  return isWorkerMissing ? 2 : 1;
}
