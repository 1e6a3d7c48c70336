import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { commandOptions, runCommand, UsageError, type CommandFlags } from './command.ts';

const ownOptions = [
  { flags: '--version', description: 'print the version' },
  { flags: '--help', description: 'print this help' },
];

process.exitCode = await main().catch((error: unknown) => {
  const { code, message } = error as NodeJS.ErrnoException;
  process.stderr.write(`openai-batch-emulator: ${message ?? String(error)}\n`);
  return error instanceof UsageError || code?.startsWith('ERR_PARSE_ARGS') === true ? 2 : 1;
});

async function main(): Promise<number> {
  const flags = parseFlags();
  if ('help' in flags) process.stdout.write(help());
  else if ('version' in flags) process.stdout.write(`${version()}\n`);
  else await runCommand(flags);
  return 0;
}

/** The options of the command line, by their names in camel case. */
function parseFlags(): CommandFlags {
  const options = [...commandOptions, ...ownOptions].map(({ flags }) => {
    const [name = '', value] = flags.slice(2).split(' ');
    return [name, { type: value === undefined ? 'boolean' : 'string' }] as const;
  });
  const { values } = parseArgs({ options: Object.fromEntries(options) });
  const camelCase = (name: string): string =>
    name.replaceAll(/-[a-z]/g, ([, letter]) => letter!.toUpperCase());
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [camelCase(name), value]));
}

function help(): string {
  const all = [...commandOptions, ...ownOptions];
  const width = Math.max(...all.map(({ flags }) => flags.length));
  return [
    'Usage: openai-batch-emulator [options]',
    '',
    "Emulates OpenAI's Files, Uploads and Batches API on this machine, without an API key and without cost.",
    '',
    ...all.map(({ flags, description }) => `  ${flags.padEnd(width)}  ${description}`),
    '',
  ].join('\n');
}

function version(): string {
  const path = new URL('../package.json', import.meta.url);
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}
