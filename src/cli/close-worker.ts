import type { JobWorker } from '../worker/create-worker.ts';

/**
 * Closes this process's worker. A thread whose read does not end (a mount whose server is away) can be ended neither by the
 * worker nor by an exit, which waits for threads: the process is killed then, when the time of a worker's end is over.
 */
export async function closeWorker(worker: JobWorker): Promise<void> {
  const { SHUTDOWN_FORCE_MS } = await import('../worker/index.ts');
  const kill = (): void => {
    process.stderr.write('durable-batch: a read of a file does not end: the process is killed.\n');
    process.kill(process.pid, 'SIGKILL');
  };
  const timer = setTimeout(kill, SHUTDOWN_FORCE_MS);
  try {
    await worker.close();
  } finally {
    clearTimeout(timer);
  }
}
