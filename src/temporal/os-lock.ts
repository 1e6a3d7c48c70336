/** A lock that the operating system releases when the last process that has the file open ends, for whatever reason. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { FileHandle } from 'node:fs/promises';

/**
 * Takes the lock on an open file without waiting. A child process that inherits the file inherits the lock. It holds for all
 * containers of a machine, and over NFS for all machines.
 *
 * Node has no function for it; the program `flock` (util-linux and BusyBox) locks a file that it inherits. Returns `unknown` if
 * there is no such program, or the file system has no such lock.
 */
export async function tryLock(file: FileHandle): Promise<'ours' | 'held' | 'unknown'> {
  const flock = spawn('flock', ['-n', '3'], { stdio: ['ignore', 'ignore', 'ignore', file.fd] });
  try {
    const [code] = (await once(flock, 'exit')) as [number | null];
    return code === 0 ? 'ours' : code === 1 ? 'held' : 'unknown';
  } catch {
    return 'unknown'; // not installed
  }
}
