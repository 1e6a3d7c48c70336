import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { commandOptions, runCommand, UsageError, type CommandFlags } from './command.ts';

const own = [
  { flags: '--version', description: 'print the version' },
  { flags: '--help', description: 'print this' },
];

process.exitCode = await main().catch((error: unknown) => {
  const { code, message } = error as NodeJS.ErrnoException;
  process.stderr.write(`openai-batch-emulator: ${message ?? String(error)}\n`);
  return error instanceof UsageError || code?.startsWith('ERR_PARSE_ARGS') === true ? 2 : 1;
});

async function main(): Promise<number> {
  const given = givenOptions();
  if ('help' in given) process.stdout.write(help());
  else if ('version' in given) process.stdout.write(`${version()}\n`);
  else await runCommand(given);
  return 0;
}

/** The options of the command line, by their names in camel case. */
function givenOptions(): CommandFlags {
  const options = [...commandOptions, ...own].map(({ flags }) => {
    const [name = '', value] = flags.slice(2).split(' ');
    return [name, { type: value === undefined ? 'boolean' : 'string' }] as const;
  });
  const { values } = parseArgs({ options: Object.fromEntries(options) });
  const camelCase = (name: string): string =>
    name.replaceAll(/-[a-z]/g, ([, letter]) => letter!.toUpperCase());
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [camelCase(name), value]));
}

function help(): string {
  const all = [...commandOptions, ...own];
  const width = Math.max(...all.map(({ flags }) => flags.length));
  return [
    'Usage: openai-batch-emulator [options]',
    '',
    "Plays OpenAI's Files, Uploads and Batches API on this machine, without a key or a cent.",
    '',
    ...all.map(({ flags, description }) => `  ${flags.padEnd(width)}  ${description}`),
    '',
  ].join('\n');
}

function version(): string {
  const path = new URL('../package.json', import.meta.url);
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}
