import type { JobWorker } from '../worker/create-worker.ts';

/**
 * Closes this process's worker. Neither the worker nor an exit, which waits for threads, can end a thread whose read does not end
 * (such as of a mount whose server is away): then the process kills itself after the worker's shutdown time.
 */
export async function closeWorker(worker: JobWorker): Promise<void> {
  const { SHUTDOWN_FORCE_MS } = await import('../worker/index.ts');
  const kill = (): void => {
    process.stderr.write('durable-batch: a read of a file does not end: killing the process.\n');
    process.kill(process.pid, 'SIGKILL');
  };
  const timer = setTimeout(kill, SHUTDOWN_FORCE_MS);
  try {
    await worker.close();
  } finally {
    clearTimeout(timer);
  }
}
