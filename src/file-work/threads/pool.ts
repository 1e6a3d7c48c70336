import pLimit, { type LimitFunction } from 'p-limit';
import { Piscina } from 'piscina';
import type { PaidTwice, RoundPlan, ShardOutcome } from '../../core/shard-plan.ts';
import type { JobStory } from '../../report/job-story.ts';
import type { ByteCounter } from '../byte-counter.ts';
import type { AnswersToIndex } from '../earlier/index-answers.ts';
import type { ClaimedOutcome } from '../records/shard-records.ts';
import type { RowsToMerge } from '../rows/merge-rows.ts';
import type { LateOutput } from '../rows/count-answers.ts';
import type { EndedShard, MissingRows } from '../rows/ended-shard.ts';
import type { RefusedShard, UnsentShard } from '../rows/unsent-shard.ts';
import type { RebuyRound } from '../shards/pack-rebuys.ts';
import type { RetryRound } from '../shards/pack-retries.ts';
import type { InputSharding, ShardedInput } from '../shards/shard-input.ts';
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

/** Work over all shards of a job. */
const ALL_SHARDS: WorkSize = { shards: Number.POSITIVE_INFINITY };

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
 * File work in threads, so that the event loop stays free for heartbeats and other jobs.
 * A thread's heap is bounded: a shard's index is a few MB, whatever the size of its bytes.
 * Long work leaves one thread free, so that shards are settled and small inputs are read whatever else is done.
 */
export class FileWork {
  private readonly folder: string;
  private readonly pool: Piscina;
  private readonly drawing: Piscina;
  private readonly stuck: StuckReads;
  private readonly long: LimitFunction;
  private readonly longPlaces: number;

  /** `stuckMs`: how long a read of an input may take. */
  constructor(folder: string, threads: number, stuckMs?: number) {
    this.folder = folder;
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

  /** @throws Error when a read of the input does not end */
  shardInput({ counter, ...options }: InputSharding & { counter: ByteCounter }): Promise<ShardedInput> {
    const { path, bytes } = options.spec.input;
    const task = { folder: this.folder, options, counter: counter.shared };
    return this.stuck.leave(path, counter, (signal) => this.run('shardInput', task, { bytes }, signal));
  }

  indexAnswers(options: AnswersToIndex): Promise<number | null> {
    return this.run('indexAnswers', { folder: this.folder, options }, ALL_SHARDS);
  }

  settleShard(options: EndedShard): Promise<ClaimedOutcome | MissingRows> {
    return this.run('settleShard', { folder: this.folder, options });
  }

  refuseShard(options: RefusedShard): Promise<ClaimedOutcome> {
    return this.run('refuseShard', { folder: this.folder, options });
  }

  countAnswers(options: LateOutput): Promise<PaidTwice> {
    return this.run('countAnswers', { folder: this.folder, options });
  }

  cancelShard(options: UnsentShard): Promise<ShardOutcome> {
    return this.run('cancelShard', { folder: this.folder, options });
  }

  packRetries(options: RetryRound): Promise<RoundPlan> {
    return this.run('packRetries', { folder: this.folder, options }, options);
  }

  packRebuys(options: RebuyRound): Promise<RoundPlan> {
    return this.run('packRebuys', { folder: this.folder, options }, ALL_SHARDS);
  }

  mergeRows({ counter, ...options }: RowsToMerge & { counter: ByteCounter }): Promise<number> {
    const size = { shards: options.files.length };
    return this.run('mergeRows', { folder: this.folder, options, counter: counter.shared }, size);
  }

  /** Readies the thread that draws, so that a short job need not wait for it at its end. A failure shows when it draws. */
  warmUpDrawing(): void {
    this.drawing.run(undefined, { name: 'warmUp' }).catch(() => undefined);
  }

  /** The drawings and tables of a job's report, as HTML. The signal ends a thread that draws for too long. */
  drawReport(story: JobStory, signal: AbortSignal): Promise<string> {
    return this.drawing.run([story], { name: 'drawReport', signal }) as Promise<string>;
  }

  /** Ends the threads, as soon as their reads end. */
  async close(): Promise<void> {
    await Promise.all([this.pool.destroy(), this.drawing.destroy(), this.stuck.ended()]);
  }

  /** A signal that is given ends the thread. */
  private run<N extends StepName>(
    name: N,
    task: Task<N>,
    size: WorkSize = {},
    signal?: AbortSignal,
  ): Promise<Result<N>> {
    const given = signal === undefined ? {} : { signal };
    const run = (): Promise<Result<N>> => this.pool.run(task, { name, ...given }) as Promise<Result<N>>;
    return isLong(size) ? this.long(run) : run();
  }
}
