/**
 * The package `openai-batch-emulator`, for our command and the demo. `npm run build` puts it and its libraries into this one
 * file of `dist`, so that nobody installs them with us.
 */
import type { Emulator, EmulatorOptions } from 'openai-batch-emulator';

export { commandOptions, runCommand, UsageError, type CommandFlags } from 'openai-batch-emulator/command';

/** Starts an emulator; its server is loaded only then, which takes a quarter of a second. */
export async function startEmulator(options: EmulatorOptions): Promise<Emulator> {
  return (await import('openai-batch-emulator')).startEmulator(options);
}
