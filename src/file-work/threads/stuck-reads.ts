import { once } from 'node:events';
import type { Piscina } from 'piscina';
import type { ByteCounter } from '../byte-counter.ts';

/** Slow disks take seconds for a block: whoever takes longer does not answer, as a mount whose server is away. */
const STUCK_MS = 60_000;

/**
 * Threads that wait for reads which do not end. Such a thread cannot be ended before its read: it is left alone, and another
 * one takes its place. An input takes one thread so, however often it is tried.
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
   * Does work of a thread that reads a file and counts its reads.
   * @throws Error when a read of the file does not end, or has not ended since an earlier call
   */
  async leave<T>(path: string, counter: ByteCounter, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.threads.has(path)) throw stuckError(path);
    const given = new AbortController();
    let seen: bigint | null = null;
    const look = (): void => {
      const now = counter.waitsFor;
      if (now !== null && now === seen) this.giveUp(path, given);
      seen = now;
    };
    const timer = setInterval(look, this.stuckMs);
    try {
      return await work(given.signal);
    } catch (error) {
      throw given.signal.aborted ? stuckError(path) : error;
    } finally {
      clearInterval(timer);
    }
  }

  /** Resolves when all reads have ended, which may be never. */
  async ended(): Promise<void> {
    await Promise.all(this.threads.values());
  }

  private giveUp(path: string, given: AbortController): void {
    const before = [...this.pool.threads];
    given.abort();
    const left = new Set(this.pool.threads);
    const stuck = before.find((thread) => !left.has(thread));
    if (stuck === undefined) return;
    this.threads.set(
      path,
      once(stuck, 'exit').finally(() => this.threads.delete(path)),
    );
  }
}

function stuckError(path: string): Error {
  return new Error(
    `${path}: a read of the file does not end: look after the disk or the mount that it lies on. The step is retried automatically.`,
  );
}
