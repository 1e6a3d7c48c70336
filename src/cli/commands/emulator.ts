import type { Command } from 'commander';
import { BatchError, ErrorCode } from '../../core/errors.ts';
import { commandOptions, runCommand, UsageError, type CommandFlags } from '../../emulator/index.ts';

/** Adds the emulator's command. */
export function addEmulator(program: Command): void {
  const command = program
    .command('emulator')
    .description("emulate OpenAI's Batch API on this machine, without a key and without cost")
    .action(async (flags: CommandFlags) => {
      await runCommand(flags).catch((error: unknown) => {
        throw error instanceof UsageError ? new BatchError(ErrorCode.BadOption, error.message) : error;
      });
    });
  for (const { flags, description } of commandOptions) command.option(flags, description);
}
