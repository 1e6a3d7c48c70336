/**
 * The package `openai-batch-emulator`, for the command line and the demo. `npm run build` bundles it and its libraries into this
 * file of `dist`, so that users do not install them.
 */
import type { Emulator, EmulatorOptions } from 'openai-batch-emulator';

export { commandOptions, runCommand, UsageError, type CommandFlags } from 'openai-batch-emulator/command';

/** Starts an emulator. Its server is loaded only by this call, which takes a quarter of a second. */
export async function startEmulator(options: EmulatorOptions): Promise<Emulator> {
  return (await import('openai-batch-emulator')).startEmulator(options);
}
