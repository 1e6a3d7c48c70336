import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { toNumber } from '../job-options.ts';
import { untilSignal } from '../until-signal.ts';
import { BatchError, ErrorCode } from '../../core/errors.ts';
import type { EmulatorOptions } from '../../emulator/index.ts';
import { readEnvironment } from '../../environment.ts';
import { toJson } from '../to-json.ts';

export function addEmulator(program: Command): void {
  program
    .command('emulator')
    .description("play OpenAI's Batch API on this machine, for trying things without a key or a cent")
    .option('--port <n>', 'port on 127.0.0.1 (default: a free one)', toNumber)
    .option('--instant', 'answer batches at once (the default without --speed)')
    .option(
      '--speed <factor>',
      'let batches take their time, this many times faster than the real API',
      toNumber,
    )
    .option('--data <dir>', 'folder of its files and state; a later emulator goes on from there')
    .option('--webhook-url <url>', 'send the events of ended batches there')
    .option('--webhook-secret <secret>', 'signs them, whsec_ and base64 (default: OPENAI_WEBHOOK_SECRET)')
    .option('--options <json>', 'further options as JSON, or @FILE', parseJsonText)
    .option('--json', 'print {"url","port"} as JSON')
    .action(
      async (flags: {
        port?: number;
        instant?: boolean;
        speed?: number;
        data?: string;
        webhookUrl?: string;
        webhookSecret?: string;
        options?: string;
        json?: boolean;
      }) => {
        const { emulatorOptionsSchema, startEmulator } = await import('../../emulator/index.ts');
        const options = {
          ...(await readOptions(flags.options)),
          ...(flags.port === undefined ? {} : { port: flags.port }),
          ...(flags.speed === undefined ? {} : { speed: flags.speed, lifecycle: { mode: 'timed' } }),
          ...(flags.instant === true ? { lifecycle: { mode: 'instant' } } : {}),
          ...(flags.data === undefined ? {} : { dataDir: flags.data }),
          ...webhookOptions(flags),
        };
        const checked = emulatorOptionsSchema.safeParse(options);
        if (!checked.success) {
          const [issue] = checked.error.issues;
          throw new BatchError(
            ErrorCode.BadOption,
            `Emulator option ${issue?.path.join('.')}: ${issue?.message}.`,
          );
        }
        await using emulator = await startEmulator(checked.data).catch((error: unknown) => {
          throw portTaken(error, checked.data);
        });
        const { url, port } = emulator;
        process.stdout.write(
          flags.json === true
            ? `${toJson({ url, port })}\n`
            : `The emulator listens: export OPENAI_BASE_URL=${url} OPENAI_API_KEY=any\n`,
        );
        await untilSignal();
      },
    );
}

/** What somebody has to do about a port that cannot be listened at; other errors as they are. */
function portTaken(error: unknown, { host = '127.0.0.1', port }: EmulatorOptions): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (syscall !== 'listen' || port === undefined) return error;
  const reason =
    code === 'EADDRINUSE'
      ? 'is in use: choose another --port, or end the process that has it'
      : `cannot be listened at (${code}): choose another --port, from 1024`;
  return new BatchError(ErrorCode.BadOption, `Port ${port} of ${host} ${reason}.`, {
    details: { option: 'port' },
  });
}

/** The secret of the environment is the worker's, and signs only where somebody asks for events. */
function webhookOptions(flags: { webhookUrl?: string; webhookSecret?: string }): object {
  const { webhookUrl, webhookSecret = readEnvironment().webhookSecret } = flags;
  if (webhookUrl === undefined) return flags.webhookSecret === undefined ? {} : { webhookSecret };
  return { webhookUrl, ...(webhookSecret === null ? {} : { webhookSecret }) };
}

function parseJsonText(text: string): string {
  if (!text.startsWith('@') && !text.trimStart().startsWith('{'))
    throw new InvalidArgumentError('It must be a JSON object or @FILE.');
  return text;
}

async function readOptions(text: string | undefined): Promise<object> {
  if (text === undefined) return {};
  try {
    return JSON.parse(text.startsWith('@') ? await readFile(text.slice(1), 'utf8') : text) as object;
  } catch (error) {
    throw new BatchError(
      ErrorCode.BadOption,
      `Option --options cannot be read: ${(error as Error).message}.`,
    );
  }
}
