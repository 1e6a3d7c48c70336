import { once } from 'node:events';
import type { Piscina } from 'piscina';
import type { ByteCounter } from '../byte-counter.ts';

/** Slow disks take seconds for a block: a longer read does not end, as on a mount whose server is down. */
const STUCK_MS = 60_000;

/**
 * Threads that are waiting for reads that do not end. Such a thread cannot be ended before its read: it is abandoned, and another
 * one replaces it. An input costs at most one thread in this way, however often it is retried.
 */
export class StuckReads {
  private readonly pool: Piscina;
  private readonly stuckMs: number;
  private readonly threads = new Map<string, Promise<unknown>>();

  constructor(pool: Piscina, stuckMs: number = STUCK_MS) {
    this.pool = pool;
    this.stuckMs = stuckMs;
  }

  /**
   * Runs work in a thread that reads a file and counts its reads.
   * @throws Error when a read of the file does not end, or one of an earlier call has not ended yet
   */
  async watch<T>(path: string, counter: ByteCounter, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.threads.has(path)) throw stuckError(path);
    const controller = new AbortController();
    let previous: bigint | null = null;
    const check = (): void => {
      const current = counter.waitsFor;
      if (current !== null && current === previous) this.abandon(path, controller);
      previous = current;
    };
    const timer = setInterval(check, this.stuckMs);
    try {
      return await work(controller.signal);
    } catch (error) {
      throw controller.signal.aborted ? stuckError(path) : error;
    } finally {
      clearInterval(timer);
    }
  }

  /** Resolves when all reads have ended, which may be never. */
  async ended(): Promise<void> {
    await Promise.all(this.threads.values());
  }

  private abandon(path: string, controller: AbortController): void {
    const before = [...this.pool.threads];
    controller.abort();
    const after = new Set(this.pool.threads);
    const stuck = before.find((thread) => !after.has(thread));
    if (stuck === undefined) return;
    this.threads.set(
      path,
      once(stuck, 'exit').finally(() => this.threads.delete(path)),
    );
  }
}

function stuckError(path: string): Error {
  return new Error(
    `${path}: a read of the file does not end: check its disk or mount. The step is retried automatically.`,
  );
}
