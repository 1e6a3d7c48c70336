import type { PaidTwice, RoundPlan, ShardOutcome, ShardTokens } from '../core/shard-plan.ts';
import type { ReportData } from '../report/report-data.ts';
import { shardFiles } from '../store/job-files.ts';
import { readRecord, type KeysToFetch, type Store } from '../store/store.ts';
import type { ByteCounter } from './byte-counter.ts';
import type { AnswersToIndex } from './earlier/index-answers.ts';
import {
  builtFiles,
  builtRoundFiles,
  endedFiles,
  jobRoundFiles,
  retriedFiles,
  shardedFiles,
} from './needed-files.ts';
import { claimOutcome, type ClaimedOutcome, type ShardName } from './records/claim-outcome.ts';
import type { LateOutput } from './rows/count-answers.ts';
import type { EndedShard, MissingRows } from './rows/ended-shard.ts';
import type { MergedRows, RowsToMerge } from './rows/merge-rows.ts';
import type { RefusedShard } from './rows/unsent-shard.ts';
import type { RebuyRound } from './shards/pack-rebuys.ts';
import type { RetryRound } from './shards/pack-retries.ts';
import type { RoundShards } from './shards/estimate-tokens.ts';
import type { InputSharding, ShardedInput } from './shards/shard-input.ts';
import { ThreadPool, type WorkSize } from './threads/pool.ts';

export type { WorkSize };

/** Work over one shard. */
const ONE_SHARD: WorkSize = { shards: 1 };

/** Work over all shards of a job. */
const ALL_SHARDS: WorkSize = { shards: Number.POSITIVE_INFINITY };

/** Options of `FileWork`. */
export interface FileWorkOptions {
  readonly store: Store;
  readonly threads: number;
  /** How long a read of an input may take. @default a minute */
  readonly stuckMs?: number;
}

/** Options of a step that reports its progress. */
type Counted<O> = Omit<O, 'counter'> & { readonly counter: ByteCounter };

/**
 * Work on whole files of a store: a thread runs each step on local files that the store provides. The files that a step created are in
 * the store when it returns.
 */
export class FileWork {
  private readonly store: Store;
  private readonly pool: ThreadPool;

  constructor({ store, threads, stuckMs }: FileWorkOptions) {
    this.store = store;
    this.pool = new ThreadPool(threads, stuckMs);
  }

  /** True when work of this size would have to wait for other long work to end. */
  isBusyFor(size: WorkSize): boolean {
    return this.pool.isBusyFor(size);
  }

  /** @throws Error when a read of the input does not end */
  async shardInput({ counter, ...options }: Counted<InputSharding>): Promise<ShardedInput> {
    const { path, bytes } = options.spec.input;
    const needed = shardedFiles(this.store, options);
    return await this.pool.watch(path, counter, (signal) =>
      this.onFiles({ bytes }, needed, (folder) =>
        this.pool.run('shardInput', { folder, options, counter: counter.shared }, signal),
      ),
    );
  }

  async packRetries(options: RetryRound): Promise<RoundPlan> {
    return await this.onFiles(options, retriedFiles(this.store, options), (folder) =>
      this.pool.run('packRetries', { folder, options }),
    );
  }

  async packRebuys(options: RebuyRound): Promise<RoundPlan> {
    const needed = jobRoundFiles(this.store, options.job, options.round);
    return await this.onFiles(ALL_SHARDS, needed, (folder) =>
      this.pool.run('packRebuys', { folder, options }),
    );
  }

  /** Estimates the prompt tokens of each shard of a round; see `RoundPlan.tokens`. */
  async estimateTokens(options: RoundShards): Promise<ShardTokens[]> {
    const needed = builtRoundFiles(options);
    return await this.onFiles(options, needed, (folder) =>
      this.pool.run('estimateTokens', { folder, options }),
    );
  }

  /** Claims the first outcome of the shard. Writes nothing when the API is to be asked again for lines without a row. */
  async settleShard(options: EndedShard): Promise<ClaimedOutcome | MissingRows> {
    return await this.settleOnce(options, endedFiles(options), (folder) =>
      this.pool.run('settleShard', { folder, options }),
    );
  }

  async refuseShard(options: RefusedShard): Promise<ClaimedOutcome> {
    return await this.settleOnce<never>(options, builtFiles(options), (folder) =>
      this.pool.run('refuseShard', { folder, options }),
    );
  }

  async cancelShard(options: ShardName): Promise<ClaimedOutcome> {
    return await this.settleOnce<never>(options, builtFiles(options), (folder) =>
      this.pool.run('cancelShard', { folder, options }),
    );
  }

  async countAnswers(options: LateOutput): Promise<PaidTwice> {
    const needed = [...builtFiles(options), options.output];
    return await this.onFiles(ONE_SHARD, needed, (folder) =>
      this.pool.run('countAnswers', { folder, options }),
    );
  }

  async mergeRows({ counter, ...options }: Counted<RowsToMerge>): Promise<MergedRows> {
    const { files } = options;
    return await this.onFiles({ shards: files.length }, files, (folder) =>
      this.pool.run('mergeRows', { folder, options, counter: counter.shared }),
    );
  }

  async indexAnswers(options: AnswersToIndex): Promise<number | null> {
    const needed = jobRoundFiles(this.store, options.job, options.rounds);
    return await this.onFiles(ALL_SHARDS, needed, (folder) =>
      this.pool.run('indexAnswers', { folder, options }),
    );
  }

  /** Starts the drawing thread, so that a short job need not wait for it at its end. Errors are reported by `drawReport`. */
  warmUpDrawing(): void {
    this.pool.warmUpDrawing();
  }

  /** Returns the charts and tables of a job's report as HTML. The signal ends the thread. */
  async drawReport(data: ReportData, signal: AbortSignal): Promise<string> {
    return await this.pool.drawReport(data, signal);
  }

  /** Ends the threads as soon as their reads have ended. */
  async close(): Promise<void> {
    await this.pool.close();
  }

  private async onFiles<T>(
    size: WorkSize,
    needed: KeysToFetch,
    work: (folder: string) => Promise<T>,
  ): Promise<T> {
    return await this.pool.inTurn(size, () => this.store.withFiles(needed, work));
  }

  /** Settles a shard, unless an outcome is on record. */
  private async settleOnce<Missing extends MissingRows>(
    name: ShardName,
    needed: KeysToFetch,
    settle: (folder: string) => Promise<ShardOutcome | Missing>,
  ): Promise<ClaimedOutcome | Missing> {
    const known = await readRecord<ShardOutcome>(this.store, shardFiles.outcome(name.job, name.shard));
    if (known !== null) return { outcome: known, first: false };
    const settled = await this.onFiles(ONE_SHARD, needed, settle);
    return 'missing' in settled ? settled : await claimOutcome(this.store, name, settled);
  }
}
