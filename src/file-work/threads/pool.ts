import pLimit, { type LimitFunction } from 'p-limit';
import { Piscina } from 'piscina';
import type { ReportData } from '../../report/report-data.ts';
import type { ByteCounter } from '../byte-counter.ts';
import { StuckReads } from './stuck-reads.ts';
import type * as thread from './thread.ts';

/** Threads need JavaScript: when this file runs from source (tests), they load the built file. */
function threadFile(name: string): string {
  const folder = import.meta.url.endsWith('.ts') ? '../../../dist/file-work/threads/' : './';
  return new URL(`${folder}${name}.js`, import.meta.url).href;
}

/** How much a piece of file work reads, as far as this is known in advance. */
export interface WorkSize {
  readonly bytes?: number;
  readonly shards?: number;
}

/** Work over more bytes of input is long: a thread reads about 70 MB a second. */
const LONG_BYTES = 64_000_000;

/** Work over more shards is long. */
const LONG_SHARDS = 8;

/** True for work that may occupy a thread for longer than a small job should wait. */
function isLong({ bytes = 0, shards = 0 }: WorkSize): boolean {
  return bytes > LONG_BYTES || shards > LONG_SHARDS;
}

/** The drawing thread ends after this idle time and frees its memory. */
const DRAWING_IDLE_MS = 60_000;

type StepName = keyof typeof thread;
type Task<N extends StepName> = Parameters<(typeof thread)[N]>[0];
type Result<N extends StepName> = Awaited<ReturnType<(typeof thread)[N]>>;

/**
 * The threads that do file work, so that the event loop stays free for heartbeats and other jobs.
 * A thread's heap is bounded: a shard's index is a few MB, whatever the size of the shard.
 * Long work leaves one thread free, so that shards can be settled and small inputs read at any time.
 */
export class ThreadPool {
  private readonly pool: Piscina;
  private readonly drawing: Piscina;
  private readonly stuck: StuckReads;
  private readonly long: LimitFunction;
  private readonly maxLong: number;

  /** `stuckMs`: the time limit of a watched read. */
  constructor(threads: number, stuckMs?: number) {
    this.maxLong = Math.max(1, threads - 1);
    this.long = pLimit(this.maxLong);
    this.pool = new Piscina({
      filename: threadFile('thread'),
      minThreads: threads, // starting a thread takes as long as building a small job's shards
      maxThreads: threads,
      resourceLimits: { maxYoungGenerationSizeMb: 16 },
    });
    this.stuck = new StuckReads(this.pool, stuckMs);
    this.drawing = new Piscina({
      filename: threadFile('draw-thread'),
      minThreads: 0,
      maxThreads: 1,
      idleTimeout: DRAWING_IDLE_MS,
    });
  }

  /** True when work of this size would have to wait for other long work to end. */
  isBusyFor(size: WorkSize): boolean {
    return isLong(size) && this.long.activeCount + this.long.pendingCount >= this.maxLong;
  }

  /** Runs work of this size, including the fetch of its files, when a slot is free. */
  async inTurn<T>(size: WorkSize, work: () => Promise<T>): Promise<T> {
    return isLong(size) ? await this.long(work) : await work();
  }

  /**
   * Runs work that reads a file and counts its reads.
   * @throws Error when a read of the file does not end
   */
  async watch<T>(path: string, counter: ByteCounter, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return await this.stuck.watch(path, counter, work);
  }

  /** Runs a step in a thread. The signal ends the thread. */
  async run<N extends StepName>(name: N, task: Task<N>, signal?: AbortSignal): Promise<Result<N>> {
    return (await this.pool.run(task, { name, ...(signal && { signal }) })) as Result<N>;
  }

  /** Starts the drawing thread, so that a short job need not wait for it at its end. Errors are reported by `drawReport`. */
  warmUpDrawing(): void {
    this.drawing.run(undefined, { name: 'warmUp' }).catch(() => undefined);
  }

  /** Returns the charts and tables of a job's report as HTML. The signal ends the thread. */
  async drawReport(data: ReportData, signal: AbortSignal): Promise<string> {
    return (await this.drawing.run([data], { name: 'drawReport', signal })) as string;
  }

  /** Ends the threads as soon as their reads have ended. */
  async close(): Promise<void> {
    await Promise.all([this.pool.destroy(), this.drawing.destroy(), this.stuck.ended()]);
  }
}
