/** Downloads the CLI's archive from Temporal's own address, as the SDK does. */
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { placeInCache } from './cli-cache.ts';
import { CLI_VERSION, pinnedRelease } from './cli-release.ts';
import { runCommand } from './run-command.ts';

/** The download is aborted after this long without data, so that without access to the address the wheel is tried soon. */
const SILENCE_MS = 5_000;
const UNPACK_MS = 60_000;

/**
 * Downloads the pinned version from Temporal's documented address and puts it into the cache.
 *
 * The SDK can do this only as part of starting its own server, with no timeout for the connection, hence the plain request
 * here. Like the SDK it ignores proxy variables. The binary is verified against the pinned hash; where none is pinned (Windows),
 * only https protects it.
 */
export async function downloadCli(cachePath: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'durable-batch-cli-'));
  try {
    const archive = join(folder, 'archive');
    await fetchArchive(archiveUrl(), archive);
    // `tar` is part of Linux, macOS and Windows 10; that of Windows also reads zip, the format of its archive.
    await runCommand('tar', ['-xf', archive, '-C', folder], { timeoutMs: UNPACK_MS });
    const binary = join(folder, process.platform === 'win32' ? 'temporal.exe' : 'temporal');
    await placeInCache(createReadStream(binary), cachePath, pinnedRelease()?.binarySha256);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Documented at https://docs.temporal.io/cli/setup-cli. */
function archiveUrl(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const arch = process.arch === 'x64' ? 'amd64' : process.arch;
  return `https://temporal.download/cli/archive/v${CLI_VERSION}?platform=${platform}&arch=${arch}`;
}

async function fetchArchive(url: string, path: string): Promise<void> {
  const controller = new AbortController();
  const giveUp = (): void => controller.abort(new Error(`no data for ${SILENCE_MS / 1000} s`));
  let silence = setTimeout(giveUp, SILENCE_MS);
  try {
    const response = await fetch(url, { signal: controller.signal });
    if (!response.ok || response.body === null) throw new Error(`status ${response.status}`);
    if (!response.url.startsWith('https:')) throw new Error('redirected away from https');
    const watched = new Transform({
      transform(chunk: Buffer, _encoding, done): void {
        clearTimeout(silence);
        silence = setTimeout(giveUp, SILENCE_MS);
        done(null, chunk);
      },
    });
    await pipeline(Readable.fromWeb(response.body), watched, createWriteStream(path));
  } catch (error) {
    // The reason of a failed fetch is in its cause ("getaddrinfo ENOTFOUND …").
    throw error instanceof TypeError && error.cause instanceof Error ? error.cause : error;
  } finally {
    clearTimeout(silence);
  }
}
