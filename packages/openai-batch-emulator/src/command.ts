/** The command of this package, also for programs that have it as one of their own commands. */
import { readFile } from 'node:fs/promises';
import type { EmulatorOptions } from './options.ts';
import { UsageError } from './usage-error.ts';

export { UsageError };

/** An option of the command. */
export interface CommandOption {
  /** The name, with the name of the value if it takes one, for example `--port <n>`. */
  readonly flags: string;
  readonly description: string;
}

/** All options of the command except `--help` and `--version`. */
export const commandOptions: readonly CommandOption[] = [
  { flags: '--port <n>', description: 'port on 127.0.0.1 (default: a free port)' },
  { flags: '--instant', description: 'complete batches at once (the default without --speed)' },
  {
    flags: '--speed <factor>',
    description: 'run batches this many times faster than the real API',
  },
  {
    flags: '--data <dir>',
    description: 'folder for files and state; a later emulator continues from it',
  },
  { flags: '--webhook-url <url>', description: 'URL that receives the events of ended batches' },
  {
    flags: '--webhook-secret <secret>',
    description: 'secret that signs the events: whsec_ and base64 (default: OPENAI_WEBHOOK_SECRET)',
  },
  { flags: '--options <json>', description: 'other options as JSON, or @FILE' },
  { flags: '--json', description: 'print {"url","port"} as JSON' },
];

/** The values of the options, by their names in camel case. */
export interface CommandFlags {
  readonly port?: string;
  readonly instant?: boolean;
  readonly speed?: string;
  readonly data?: string;
  readonly webhookUrl?: string;
  readonly webhookSecret?: string;
  readonly options?: string;
  readonly json?: boolean;
}

/**
 * Starts an emulator, prints its address, and closes it at SIGINT or SIGTERM.
 * @throws UsageError if an option is wrong, or if the emulator cannot listen on the port.
 */
export async function runCommand(flags: CommandFlags): Promise<void> {
  // `startEmulator` validates them.
  const options = {
    ...(await readOptions(flags.options)),
    ...(flags.port === undefined ? {} : { port: numberOf('port', flags.port) }),
    ...(flags.speed === undefined
      ? {}
      : { speed: numberOf('speed', flags.speed), lifecycle: { mode: 'timed' } }),
    ...(flags.instant === true ? { lifecycle: { mode: 'instant' } } : {}),
    ...(flags.data === undefined ? {} : { dataDir: flags.data }),
    ...webhookOptions(flags),
  } as EmulatorOptions;
  // Loading the server takes a quarter of a second, which the help does not need.
  const { startEmulator } = await import('./index.ts');
  await using emulator = await startEmulator(options).catch((error: unknown) => {
    throw toUsageError(error, options);
  });
  const { url, port } = emulator;
  process.stdout.write(
    flags.json === true
      ? `${JSON.stringify({ url, port })}\n`
      : `The emulator listens: export OPENAI_BASE_URL=${url} OPENAI_API_KEY=any\n`,
  );
  await untilSignal();
}

function numberOf(option: string, text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value))
    throw new UsageError(`Option --${option}: "${text}" is not a number.`);
  return value;
}

async function readOptions(text: string | undefined): Promise<object> {
  if (text === undefined) return {};
  if (!text.startsWith('@') && !text.trimStart().startsWith('{'))
    throw new UsageError('Option --options must be a JSON object or @FILE.');
  try {
    return JSON.parse(text.startsWith('@') ? await readFile(text.slice(1), 'utf8') : text) as object;
  } catch (error) {
    throw new UsageError(`Option --options cannot be read: ${(error as Error).message}.`);
  }
}

/** The secret of the environment may belong to another program: it is used only with `--webhook-url`. */
function webhookOptions({ webhookUrl, webhookSecret }: CommandFlags): object {
  const secret =
    webhookSecret ?? (webhookUrl === undefined ? '' : process.env['OPENAI_WEBHOOK_SECRET']?.trim());
  return {
    ...(webhookUrl === undefined ? {} : { webhookUrl }),
    ...(secret ? { webhookSecret: secret } : {}),
  };
}

/** Returns a UsageError for a port that cannot be used, and other errors as they are. */
function toUsageError(error: unknown, { host = '127.0.0.1', port }: EmulatorOptions): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (syscall !== 'listen' || port === undefined) return error;
  const reason =
    code === 'EADDRINUSE'
      ? 'is in use: choose another --port, or end the process that has it'
      : `cannot be used (${code}): choose another --port, from 1024`;
  return new UsageError(`Port ${port} of ${host} ${reason}.`);
}

/** Resolves at the first SIGINT or SIGTERM; a second one ends the process. */
function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
}
