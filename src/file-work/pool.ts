import pLimit, { type LimitFunction } from 'p-limit';
import { Piscina } from 'piscina';
import type { JobSpec } from '../core/job-spec.ts';
import type { PaidTwice, RoundPlan, ShardOutcome } from '../core/shard-plan.ts';
import type { ModelRates } from '../core/token-cost.ts';
import type { ReportData } from '../report/report-data.ts';
import type { ByteCounter } from './byte-counter.ts';
import type { BuildResult } from './build-shards.ts';
import type { EarlierAnswers } from './find-known-lines.ts';
import type { MergedRows } from './merge-rows.ts';
import type { RebuyRound } from './pack-rebuys.ts';
import type { RetryRound } from './pack-retries.ts';
import type { ClaimedOutcome, EndedShard, MissingRows } from './settle-shard.ts';
import { StuckReads } from './stuck-reads.ts';
import type { RefusedShard } from './unsent-shard.ts';

/** Run from source (tests), threads still need JavaScript: they take the built file. */
function threadFile(name: string): string {
  const folder = import.meta.url.endsWith('.ts') ? '../../dist/file-work/' : './';
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

  /**
   * `under`: a folder of keys that the shards' keys come behind.
   * @throws Error when a read of the input does not end
   */
  buildShards(
    spec: JobSpec,
    counter: ByteCounter,
    earlier: readonly EarlierAnswers[] | null = null,
    under: string = '',
  ): Promise<BuildResult> {
    const { path, bytes } = spec.input;
    const task = [this.folder, spec, counter.shared, earlier, under];
    return this.stuck.leave(path, counter, (signal) => this.run('buildShards', task, { bytes }, signal));
  }

  /** Writes the index under `target`, a key of the store; answers its entries, or null when files of the job are missing. */
  indexAnswers(job: string, rounds: number, target: string): Promise<number | null> {
    return this.run('indexAnswers', [this.folder, job, rounds, target], { shards: Number.POSITIVE_INFINITY });
  }

  settleShard(ended: EndedShard): Promise<ClaimedOutcome | MissingRows> {
    return this.run('settleShard', [this.folder, ended]);
  }

  refuseShard(refused: RefusedShard): Promise<ClaimedOutcome> {
    return this.run('refuseShard', [this.folder, refused]);
  }

  countAnswers(
    job: string,
    shard: string,
    path: string,
    rates: ModelRates | null | undefined,
  ): Promise<PaidTwice> {
    return this.run('countAnswers', [this.folder, job, shard, path, rates]);
  }

  cancelShard(job: string, shard: string): Promise<ShardOutcome> {
    return this.run('cancelShard', [this.folder, job, shard]);
  }

  packRetries(round: RetryRound): Promise<RoundPlan> {
    return this.run('packRetries', [this.folder, round], round);
  }

  packRebuys(round: RebuyRound): Promise<RoundPlan> {
    return this.run('packRebuys', [this.folder, round], { shards: Number.POSITIVE_INFINITY });
  }

  /** The last `replacing` files hold rows of lines that were bought again; `examples`: how many failed lines to name. */
  mergeRows(
    paths: readonly string[],
    target: string,
    counter: ByteCounter,
    replacing: number,
    examples: number,
  ): Promise<MergedRows> {
    const task = [paths, target, counter.shared, replacing, examples];
    return this.run('mergeRows', task, { shards: paths.length });
  }

  /** Readies the thread that draws, so that a short job need not wait for it at its end. A failure shows when it draws. */
  warmUpDrawing(): void {
    this.drawing.run(undefined, { name: 'warmUp' }).catch(() => undefined);
  }

  /** The drawings and tables of a job's report, as HTML. The signal ends a thread that draws for too long. */
  drawReport(story: ReportData, signal: AbortSignal): Promise<string> {
    return this.drawing.run([story], { name: 'drawReport', signal }) as Promise<string>;
  }

  /** Ends the threads, as soon as their reads end. */
  async close(): Promise<void> {
    await Promise.all([this.pool.destroy(), this.drawing.destroy(), this.stuck.ended()]);
  }

  /** A signal that is given ends the thread. */
  private run<T>(name: string, task: unknown[], size: WorkSize = {}, signal?: AbortSignal): Promise<T> {
    const given = signal === undefined ? {} : { signal };
    const run = (): Promise<T> => this.pool.run(task, { name, ...given }) as Promise<T>;
    return isLong(size) ? this.long(run) : run();
  }
}
