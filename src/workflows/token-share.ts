import { ActivityFailure, CancellationScope, condition, isCancellation, sleep } from '@temporalio/workflow';
import type { ShardCounts } from '../activities/index.ts';
import { tokenLimitOf } from '../core/job-spec.ts';
import { isPriority, type Priority } from '../core/priority.ts';
import type { TokenReport } from '../token-queue/token-report.ts';
import { reportTokens } from './activity-proxies.ts';
import type { BatchesInFlight } from './batches-in-flight.ts';
import type { JobRun, TokenShareState } from './job-state.ts';
import type { ShardRecord } from './shard-record.ts';
import { scaled } from './tuning.ts';

/** While shards wait, the queue is asked again after this time: it may have been terminated, or have lost a job that was reset. */
const ASK_AGAIN_MS = 10 * 60_000;

/** A queue that does not reply is left alone for this time; until then shards are sent without it. */
const WITHOUT_MS = 10 * 60_000;

/** A report names so many of the shards that wait, and the queue is told of others when it knows half as many. */
const WANTS_AT_MOST = 16;

/** Refusals alone, in a row, after which a shard may be too large although our estimate says otherwise. */
const ALONE_TO_HALVE = 2;

/** Those after which a single line is given up: with their pauses, some 8 min. */
const ALONE_TO_FAIL = 4;

/** A shard of a job that shares a token queue. */
type QueuedShard = ShardRecord & { readonly model: string; readonly tokens: number };

/** The code of shards whose tokens exceed the account's limit. Guide, "Rate limits". */
export const TOKEN_LIMIT_EXCEEDED = 'token_limit_exceeded';

/** A report without its number. */
type Report = Omit<TokenReport, 'job' | 'run' | 'turn'>;

/**
 * A job's part in the token queues of its models. It reports what the job's shards want and have whenever that has changed, and takes
 * what it is granted, by the reply or by a signal. What a shard wants and has is read from its record, so that each report is complete.
 */
export class TokenShare {
  private readonly run: JobRun;
  private readonly inFlight: BatchesInFlight;
  /** Shards that wait in `untilGranted`, by id. */
  private readonly waiting = new Set<string>();
  /** The last report that each queue has taken. */
  private readonly reported = new Map<string, Report>();
  /** Models whose queue waits to be told of accepted batches. */
  private readonly probing = new Set<string>();
  /** When a queue that did not reply is asked again, by model, in ms. */
  private readonly without = new Map<string, number>();
  private turn = 0;
  private isChanged = true;

  constructor(run: JobRun, inFlight: BatchesInFlight) {
    this.run = run;
    this.inFlight = inFlight;
  }

  /** Resolves with true when the shard may be sent, and with false when it need not be, or may not for another reason. */
  async untilGranted(shard: ShardRecord): Promise<boolean> {
    if (!this.isQueued(shard)) return true;
    // Not for another pause than one that was asked for: the account's gate may wait for this shard to have tried.
    const leaves = (): boolean => this.run.isStopping() || this.run.state.paused !== null;
    this.waiting.add(shard.id);
    this.changed();
    try {
      await condition(() => shard.granted === true || shard.refused !== undefined || leaves());
    } finally {
      this.waiting.delete(shard.id);
    }
    if (shard.granted === true && !leaves()) return true;
    if (!this.run.isStopping()) this.giveBack(shard);
    return false;
  }

  /** True while the shard waits for tokens. */
  isWaiting({ id }: ShardRecord): boolean {
    return this.waiting.has(id);
  }

  /** A shard that cannot be sent for now needs no tokens meanwhile. */
  giveBack(shard: ShardRecord): void {
    delete shard.granted;
    this.changed();
  }

  /** The API refused the shard's batch for want of tokens: false if the shard's queue is not used, and it has to wait by itself. */
  refused(shard: ShardRecord, limit: number | null): boolean {
    if (!this.isQueued(shard) || this.without.has(shard.model)) return false;
    (this.state.refused[shard.model] ??= []).push([keyOf(shard), limit]);
    delete shard.granted;
    this.changed();
    return true;
  }

  /**
   * True for a refused shard that the limit, which the refusal states or a user gave, never accepts. One of several lines is halved: by our
   * estimate, or because it was refused alone and our estimate may be wrong by half. A single line fails, as its round, and with it the
   * job, would never end; so only after refusals through more than a sweep's time, and if our estimate says the same.
   */
  exceeds(shard: ShardRecord, stated: number | null): boolean {
    if (!this.isQueued(shard)) return false;
    const limit = stated ?? tokenLimitOf(this.run.spec.tokenQueue, shard.model);
    if (limit === null) return false;
    const [estimated, real] = this.state.measured[shard.model] ?? [0, 0];
    const tokens = shard.tokens * (estimated > 0 ? real / estimated : 1);
    const alone = shard.refusedAlone ?? 0;
    if (shard.lines === 1) return tokens > limit && alone >= ALONE_TO_FAIL;
    return tokens > limit || (alone >= ALONE_TO_HALVE && tokens > limit / 2);
  }

  /** The answers of the shard are settled. Its tokens are known if each line has an answer. */
  settled(shard: ShardRecord, { answered, inputTokens }: ShardCounts): void {
    if (!this.isQueued(shard)) return;
    const [estimated, real] = this.state.measured[shard.model] ?? [0, 0];
    if (inputTokens > 0 && answered === shard.lines)
      this.state.measured[shard.model] = [estimated + shard.tokens, real + inputTokens];
    this.changed();
  }

  /** The queue has granted these shards their tokens. */
  take(model: string, keys: readonly string[]): void {
    const granted = new Set(keys);
    for (const shard of this.shards())
      if (shard.model === model && this.waiting.has(shard.id) && granted.has(keyOf(shard)))
        shard.granted = true;
    this.changed(); // what the job does not want any more is given back
  }

  /** The place of the job among others changes. */
  prioritize(priority: Priority): void {
    // Anybody with access to the server can send a signal.
    if (!this.run.sharesTokens || !isPriority(priority)) return;
    this.state.priority = priority;
    this.changed();
  }

  /** Something has changed that a queue may want to know. */
  changed(): void {
    this.isChanged = true;
  }

  /** Reports until `stopped`. */
  async report(stopped: () => boolean): Promise<void> {
    const asking = new CancellationScope({ cancellable: true });
    const timer = asking.run(() => this.askAgain()).catch(() => undefined);
    for (;;) {
      await condition(() => this.isChanged || stopped());
      if (stopped()) break;
      this.isChanged = false;
      await Promise.all(this.models().map(async (model) => await this.reportTo(model)));
    }
    asking.cancel();
    await timer;
  }

  /** While shards wait, the queues are asked again from time to time. */
  private async askAgain(): Promise<never> {
    for (;;) {
      await condition(() => this.waiting.size > 0);
      await sleep(scaled(ASK_AGAIN_MS), { summary: 'until the token queue is asked again' });
      if (this.waiting.size === 0) continue;
      this.reported.clear();
      this.changed();
    }
  }

  /** Gives everything back at the end of the job; where that fails, the next sweep of the queue does it. */
  async leave(): Promise<void> {
    await Promise.all(this.state.models.map(async (model) => await this.reportTo(model)));
  }

  private isQueued(shard: ShardRecord): shard is QueuedShard {
    return this.run.sharesTokens && shard.model !== undefined && shard.tokens !== undefined;
  }

  private get state(): TokenShareState {
    const { state, spec } = this.run;
    return (state.tokenShare ??= {
      priority: spec.tokenQueue!.priority,
      account: null,
      models: [],
      refused: {},
      measured: {},
    });
  }

  private shards(): QueuedShard[] {
    return this.run.state.active.filter((shard): shard is QueuedShard => this.isQueued(shard));
  }

  private models(): string[] {
    return [...new Set([...this.shards().map(({ model }) => model), ...this.state.models])];
  }

  private async reportTo(model: string): Promise<void> {
    const report = this.reportOf(model);
    const before = this.reported.get(model) ?? null;
    // An earlier run may have told the queue of what this one has no more.
    const isKnown = before === null && this.state.models.includes(model);
    if (!isKnown && !isNews(report, before, this.probing.has(model))) return;
    if ((this.without.get(model) ?? 0) > Date.now()) {
      this.grantAll(model);
      return;
    }
    this.turn += 1;
    const named = this.run.spec.labels?.account ?? this.state.account;
    const request = { model, account: named, report: { ...report, turn: this.turn } };
    const { wants, holds, refused } = report;
    try {
      const summary = `tokens of ${model}: ${holds.length} shards have some, ${wants.length} want some`;
      const { account, granted, tooLarge, probing } = await reportTokens(summary, request);
      this.state.account = account; // a worker with another key reports to the same queue
      if (!this.state.models.includes(model)) this.state.models.push(model);
      this.without.delete(model);
      this.reported.set(model, report);
      this.state.refused[model] = (this.state.refused[model] ?? []).slice(refused.length);
      if (probing) this.probing.add(model);
      else this.probing.delete(model);
      this.halve(model, tooLarge);
      this.take(model, granted);
    } catch (error) {
      if (isCancellation(error) || !(error instanceof ActivityFailure)) throw error;
      this.without.set(model, Date.now() + scaled(WITHOUT_MS));
      this.grantAll(model);
    }
  }

  /** Shards that the limit never accepts are sent in halves, in the next round. */
  private halve(model: string, keys: readonly string[]): void {
    for (const shard of this.shards()) {
      if (shard.model !== model || shard.lines === 1 || !this.waiting.has(shard.id)) continue;
      if (keys.includes(keyOf(shard)) && shard.granted !== true)
        shard.refused = { tooLarge: true, status: null, code: TOKEN_LIMIT_EXCEEDED };
    }
  }

  /** The queue cannot be asked: a job must not stand still for that. */
  private grantAll(model: string): void {
    for (const shard of this.shards())
      if (shard.model === model && this.waiting.has(shard.id)) shard.granted = true;
  }

  private reportOf(model: string): Report {
    const { priority, refused, measured } = this.state;
    const limit = tokenLimitOf(this.run.spec.tokenQueue, model);
    const shards = new Map(
      this.shards()
        .filter((shard) => shard.model === model)
        .map((shard) => [shard.id, shard]),
    );
    const wanting = [...this.waiting]
      .flatMap((id) => shards.get(id) ?? [])
      .filter(({ granted }) => granted !== true);
    const holding = [...shards.values()].filter(({ granted, ended }) => granted === true && ended !== true);
    return {
      priority,
      ...(limit === null ? {} : { limit }),
      wants: wanting.slice(0, WANTS_AT_MOST).map((shard) => [keyOf(shard), shard.tokens] as const),
      more: Math.max(0, wanting.length - WANTS_AT_MOST),
      holds: holding.map((shard) => {
        const isAccepted = shard.batchId !== undefined && this.inFlight.isAccepted(shard.batchId);
        return [keyOf(shard), shard.tokens, isAccepted ? 1 : 0] as const;
      }),
      refused: [...(refused[model] ?? [])], // others may come while the report is sent
      measured: measured[model] ?? [0, 0],
    };
  }
}

/**
 * True when the queue has to know of a change: wishes while it knows few of them, tokens that are given back, a refusal, another
 * priority, and, for a queue whose limit is not known, an accepted batch.
 */
function isNews(report: Report, before: Report | null, isProbing: boolean): boolean {
  const { wants, holds, refused } = report;
  if (before === null) return wants.length > 0 || holds.length > 0;
  const wanted = new Set(before.wants.map(([key]) => key));
  const still = new Set([...wants, ...holds].map(([key]) => key));
  const known = wants.filter(([key]) => wanted.has(key)).length;
  const givesBack = [...before.wants, ...before.holds].some(([key]) => !still.has(key));
  const accepted = ({ holds: all }: Report): number =>
    all.filter(([, , isAccepted]) => isAccepted === 1).length;
  return (
    givesBack ||
    refused.length > 0 ||
    report.priority !== before.priority ||
    (wants.length > known && known <= WANTS_AT_MOST / 2) ||
    (isProbing && accepted(report) > accepted(before))
  );
}

/** The key of a shard at the queue: another one after each refusal. */
function keyOf({ id, batch, refusals }: ShardRecord): string {
  return `${id}.${batch}.${refusals}`;
}
