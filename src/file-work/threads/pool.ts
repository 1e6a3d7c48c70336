import pLimit, { type LimitFunction } from 'p-limit';
import { Piscina } from 'piscina';
import type { ReportData } from '../../report/report-data.ts';
import type { ByteCounter } from '../byte-counter.ts';
import { StuckReads } from './stuck-reads.ts';
import type * as thread from './thread.ts';

/** Run from source (tests), threads still need JavaScript: they take the built file. */
function threadFile(name: string): string {
  const folder = import.meta.url.endsWith('.ts') ? '../../../dist/file-work/threads/' : './';
  return new URL(`${folder}${name}.js`, import.meta.url).href;
}

/** How much a piece of file work reads, as far as it is known before. */
export interface WorkSize {
  readonly bytes?: number;
  readonly shards?: number;
}

/** More bytes of input are long work: a thread reads about 70 MB a second. */
const LONG_BYTES = 64_000_000;

/** Work over more shards is long. */
const LONG_SHARDS = 8;

/** True for work that may hold a thread for longer than a small job should have to wait. */
function isLong({ bytes = 0, shards = 0 }: WorkSize): boolean {
  return bytes > LONG_BYTES || shards > LONG_SHARDS;
}

/** A thread that has nothing to draw for so long gives its memory back. */
const DRAWING_IDLE_MS = 60_000;

type StepName = keyof typeof thread;
type Task<N extends StepName> = Parameters<(typeof thread)[N]>[0];
type Result<N extends StepName> = ReturnType<(typeof thread)[N]>;

/**
 * The threads that do file work, so that the event loop stays free for heartbeats and other jobs.
 * A thread's heap is bounded: a shard's index is a few MB, whatever the size of its bytes.
 * Long work leaves one thread free, so that shards are settled and small inputs are read whatever else is done.
 */
export class ThreadPool {
  private readonly pool: Piscina;
  private readonly drawing: Piscina;
  private readonly stuck: StuckReads;
  private readonly long: LimitFunction;
  private readonly longPlaces: number;

  /** `stuckMs`: how long a read may take that is watched. */
  constructor(threads: number, stuckMs?: number) {
    this.longPlaces = Math.max(1, threads - 1);
    this.long = pLimit(this.longPlaces);
    this.pool = new Piscina({
      filename: threadFile('thread'),
      minThreads: threads, // a thread takes as long to start as it takes to build a small job's shards
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

  /** True when work of this size would have to wait for the end of other long work. */
  isBusyFor(size: WorkSize): boolean {
    return isLong(size) && this.long.activeCount + this.long.pendingCount >= this.longPlaces;
  }

  /** Does work of this size when it has a place: all of it, as what it needs may be large, too. */
  async inTurn<T>(size: WorkSize, work: () => Promise<T>): Promise<T> {
    return isLong(size) ? await this.long(work) : await work();
  }

  /**
   * Does work of which a step reads a file that it may wait for in vain, and counts its reads.
   * @throws Error when a read of the file does not end
   */
  async watch<T>(path: string, counter: ByteCounter, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return await this.stuck.leave(path, counter, work);
  }

  /** Lets a thread do a step. A signal that is given ends the thread. */
  async run<N extends StepName>(name: N, task: Task<N>, signal?: AbortSignal): Promise<Result<N>> {
    return (await this.pool.run(task, { name, ...(signal && { signal }) })) as Result<N>;
  }

  /** Readies the thread that draws, so that a short job need not wait for it at its end. A failure shows when it draws. */
  warmUpDrawing(): void {
    this.drawing.run(undefined, { name: 'warmUp' }).catch(() => undefined);
  }

  /** The drawings and tables of a job's report, as HTML. The signal ends a thread that draws for too long. */
  async drawReport(story: ReportData, signal: AbortSignal): Promise<string> {
    return (await this.drawing.run([story], { name: 'drawReport', signal })) as string;
  }

  /** Ends the threads, as soon as their reads end. */
  async close(): Promise<void> {
    await Promise.all([this.pool.destroy(), this.drawing.destroy(), this.stuck.ended()]);
  }
}
