/** A lock that the operating system lets go of when the last process that has the file open is gone, whatever it died of. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { FileHandle } from 'node:fs/promises';

/**
 * Takes the lock on an open file without waiting. A child process that inherits the file inherits the lock. It is seen by all
 * containers of a machine, and over NFS by all machines.
 *
 * Node has no call for it; the program `flock` (util-linux and BusyBox) locks a file that it inherits. `unknown` where there is
 * no such program, or no such lock.
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
