import { priorities } from '../core/priority.ts';
import { addCreated, nextCreation } from './creation-rate.ts';
import type {
  Grant,
  GrantedShard,
  OtherBatches,
  QueuedJob,
  QueueState,
  TokenLimit,
  WaitingShard,
} from './queue-state.ts';
import type { RefusedTokens, TokenReply, TokenReport } from './token-report.ts';

/** While the limit is not known, so many batches may wait for the API's verdict at a time, or an eighth of the accepted ones. */
const UNKNOWN_AT_A_TIME = 4;

/** So many smaller shards may go before one that does not fit yet. */
const MAX_PASSED = 8;

/** A limit that nobody gave is tried to exceed by one shard after this time: tiers grow. */
const PROBE_MS = { learned: 3_600_000, stated: 24 * 3_600_000 } as const;

/** Waits after refusals that the known use does not explain, such as tokens that the API releases late. */
const PAUSE_MS = [30_000, 60_000, 120_000, 300_000, 900_000] as const;

/** So many refusals that a learned limit does not explain delay the next grants only; then the limit is lowered. */
const DOUBTFUL_REFUSALS = 2;

/** Estimates are corrected by at most this factor. */
const MOST_CORRECTION = 4;

/** What a sweep has found. */
export interface Sweep {
  /** Jobs of the queue that do not run any more. */
  readonly ended: readonly string[];
  readonly others: OtherBatches;
}

/**
 * The rules of a queue. It never grants more tokens than the limit, unless the limit is not known or is tried to exceed; of the jobs with
 * the highest priority, the one with the fewest tokens goes first.
 */
export class TokenLedger {
  readonly state: QueueState;
  private readonly patience: number;

  /** @param patience scales the waits, as `DURABLE_BATCH_PATIENCE` does */
  constructor(state: QueueState, patience: number = 1) {
    this.state = state;
    this.patience = patience;
  }

  /** Takes over a job's report. The same report again changes nothing. */
  take(report: TokenReport, now: number): void {
    const { jobs } = this.state;
    const before = jobs[report.job];
    if (before?.run === report.run && before.turn > report.turn) return;
    const isRepeated = before?.run === report.run && before.turn === report.turn;
    if (report.limit !== undefined && report.limit !== this.state.given) {
      this.state.given = report.limit;
      this.state.limit = { tokens: report.limit, source: 'given', at: now, probedAt: now };
    }
    const { run, turn, priority, measured, more } = report;
    const granted = grantedOf(report, before);
    const waiting = this.waitingOf(report, before, granted);
    jobs[report.job] = { run, turn, priority, measured, waiting, more, granted };
    this.endPause(before, jobs[report.job]!, report.refused);
    if (!isRepeated) for (const refused of report.refused) this.learn(refused, before, now);
    this.raise(now);
    if (waiting.length === 0 && Object.keys(granted).length === 0) this.remove(report.job);
  }

  /** Grants what fits, in order. */
  grant(now: number): Grant[] {
    const grants: Grant[] = [];
    for (;;) {
      const next = this.next(now);
      if (next === null) return grants;
      const { id, job, shard } = next;
      job.waiting.splice(job.waiting.indexOf(shard), 1);
      job.granted[shard.key] = { tokens: shard.tokens, accepted: false };
      addCreated(this.state.created, now);
      grants.push({ job: id, key: shard.key });
    }
  }

  /** The reply to a report that was taken. */
  reply({ job, wants }: TokenReport): TokenReply {
    const granted = this.state.jobs[job]?.granted ?? {};
    return {
      granted: wants.map(([key]) => key).filter((key) => Object.hasOwn(granted, key)),
      tooLarge: wants.filter(([, tokens]) => this.isTooLarge(tokens)).map(([key]) => key),
      probing: this.isProbing(),
    };
  }

  /** Takes over what the API shows: jobs that do not run any more, and batches that no running job has reported. */
  sweep({ ended, others }: Sweep, before: ReadonlyMap<string, string>): void {
    for (const job of ended) if (this.state.jobs[job]?.run === before.get(job)) this.remove(job);
    this.state.others = others;
  }

  /** The run of each job; a sweep removes no job that was started again meanwhile. */
  runs(): Map<string, string> {
    return new Map(Object.entries(this.state.jobs).map(([job, { run }]) => [job, run]));
  }

  /** Releases everything of a job that has ended. */
  remove(id: string): void {
    const job = this.state.jobs[id];
    if (job === undefined) return;
    if (job.measured[1] > 0) this.state.measured = job.measured;
    delete this.state.jobs[id];
  }

  /** True while no job wants or has tokens. */
  get isIdle(): boolean {
    return Object.keys(this.state.jobs).length === 0;
  }

  get isWanted(): boolean {
    return Object.values(this.state.jobs).some(({ waiting }) => waiting.length > 0);
  }

  /** True while the account may create no batches for now. */
  waitsForRate(now: number): boolean {
    return nextCreation(this.state.created, now) > now;
  }

  /** Tokens that count against the limit, by our estimates, corrected. */
  get used(): number {
    return this.usedBy(() => true);
  }

  /** When to grant again although nothing has changed, in ms; null if nobody waits for a time. */
  nextAt(now: number): number | null {
    if (!this.isWanted) return null;
    const { pausedUntil, limit, created } = this.state;
    const times = [pausedUntil, nextCreation(created, now)];
    if (limit !== null && limit.source !== 'given')
      times.push(limit.probedAt + this.scaled(PROBE_MS[limit.source]));
    const later = times.filter((time) => time > now);
    return later.length === 0 ? null : Math.min(...later);
  }

  /** Real tokens for each estimated one. */
  get correction(): number {
    let [estimated, real] = this.state.measured;
    for (const { measured } of Object.values(this.state.jobs)) {
      estimated += measured[0];
      real += measured[1];
    }
    if (estimated <= 0 || real <= 0) return 1;
    return Math.min(MOST_CORRECTION, Math.max(1 / MOST_CORRECTION, real / estimated));
  }

  /** True while accepted batches show how high the limit is. */
  private isProbing(): boolean {
    return this.state.limit === null || this.state.limit.source === 'learned';
  }

  /** True once the tokens of some batch are known, so that estimates are comparable with limits. */
  private isMeasured(): boolean {
    return [this.state, ...Object.values(this.state.jobs)].some(({ measured }) => measured[1] > 0);
  }

  /** The shard that gets tokens next; null if none may. */
  private next(now: number): { id: string; job: QueuedJob; shard: WaitingShard } | null {
    const { pausedUntil } = this.state;
    if (now < pausedUntil || this.waitsForRate(now)) return null;
    const passed: WaitingShard[] = [];
    for (const { id, job } of this.inOrder()) {
      // One that is too large is halved, or sent when nothing else is: no other waits for it, also none of its job.
      const isAlone = this.used === 0;
      const shard = job.waiting.find(({ tokens }) => isAlone || !this.isTooLarge(tokens));
      if (shard === undefined) continue;
      if (this.fits(shard, now)) {
        for (const other of passed) other.passed += 1;
        return { id, job, shard };
      }
      const first = passed[0] ?? shard;
      if (first.passed >= MAX_PASSED) return null;
      passed.push(shard);
    }
    return null;
  }

  /** Jobs that want tokens, of the highest priority only: those with the fewest tokens first, then in the order of asking. */
  private inOrder(): { id: string; job: QueuedJob }[] {
    const all = Object.entries(this.state.jobs).filter(([, { waiting }]) => waiting.length > 0);
    const rank = Math.min(...all.map(([, { priority }]) => priorities.indexOf(priority)));
    return all
      .filter(([, { priority }]) => priorities.indexOf(priority) === rank)
      .map(([id, job]) => ({ id, job, tokens: sumOf(Object.values(job.granted)) }))
      .toSorted((a, b) => a.tokens - b.tokens || a.job.waiting[0]!.order - b.job.waiting[0]!.order);
  }

  private fits({ tokens }: WaitingShard, now: number): boolean {
    const { limit } = this.state;
    if (limit === null) {
      const [accepted, others] = [this.count(true), this.count(false)];
      return others < Math.max(UNKNOWN_AT_A_TIME, accepted / 8);
    }
    const { used } = this;
    // Alone it must be sent, so that the API decides: estimates and limits may be wrong.
    if (used === 0 || used + tokens * this.correction <= limit.tokens) return true;
    if (limit.source === 'given' || now < limit.probedAt + this.scaled(PROBE_MS[limit.source])) return false;
    this.state.limit = { ...limit, probedAt: now };
    return true;
  }

  private isTooLarge(tokens: number): boolean {
    const { limit } = this.state;
    return limit !== null && limit.source !== 'learned' && tokens * this.correction > limit.tokens;
  }

  private count(accepted: boolean): number {
    return Object.values(this.state.jobs)
      .flatMap(({ granted }) => Object.values(granted))
      .filter((shard) => shard.accepted === accepted).length;
  }

  private usedBy(counts: (shard: GrantedShard) => boolean): number {
    let tokens = 0;
    for (const { granted } of Object.values(this.state.jobs))
      tokens += sumOf(Object.values(granted).filter((shard) => counts(shard)));
    const others = Object.values(this.state.others.tokens).reduce((sum, each) => sum + each, 0);
    return tokens * this.correction + others;
  }

  private waitingOf(
    { wants }: TokenReport,
    before: QueuedJob | undefined,
    granted: QueuedJob['granted'],
  ): WaitingShard[] {
    const known = new Map(before?.waiting.map((shard) => [shard.key, shard]));
    return wants
      .filter(([key]) => !Object.hasOwn(granted, key))
      .map(([key, tokens]) => known.get(key) ?? { key, tokens, order: this.state.order++, passed: 0 });
  }

  /** Learns from a refusal. One that the limit does not explain delays the next grants, and so does one of a batch that was alone. */
  private learn([key, stated]: RefusedTokens, before: QueuedJob | undefined, now: number): void {
    const { limit, unexplained, pausedUntil } = this.state;
    const { used } = this;
    const tokens = (before?.granted[key]?.tokens ?? 0) * this.correction;
    const accepted = this.usedBy((shard) => shard.accepted);
    const isExplained = limit !== null && used > 0 && used + tokens > limit.tokens;
    // Tokens that the API releases late say nothing about a limit that has held before.
    const isDoubtful = stated === null && limit !== null && !isExplained && unexplained < DOUBTFUL_REFUSALS;
    if (!isDoubtful) this.state.limit = learned(limit, stated, accepted, now);
    const known = this.state.limit;
    if (known !== null && used > 0 && used + tokens > known.tokens) return;
    if (now < pausedUntil) return; // refused together with others
    const pause = PAUSE_MS[Math.min(unexplained, PAUSE_MS.length - 1)]!;
    this.state.unexplained += 1;
    this.state.pausedUntil = now + this.scaled(pause);
  }

  /** Tokens have come back, or a batch was accepted: what was refused may fit now. */
  private endPause(
    before: QueuedJob | undefined,
    { granted }: QueuedJob,
    refused: TokenReport['refused'],
  ): void {
    const refusedKeys = new Set(refused.map(([key]) => key));
    for (const [key, { accepted }] of Object.entries(before?.granted ?? {})) {
      const after = granted[key];
      if (after === undefined && !refusedKeys.has(key)) this.state.pausedUntil = 0;
      if (after?.accepted === true && !accepted) this.state.unexplained = 0;
    }
  }

  /** The API has accepted more than the limit: so it is higher. */
  private raise(now: number): void {
    const { limit } = this.state;
    const accepted = this.usedBy((shard) => shard.accepted);
    if (limit === null || limit.source === 'given' || accepted <= limit.tokens) return;
    if (limit.source === 'stated' && !this.isMeasured()) return; // estimates are too high, or the limit has risen
    this.state.limit = { tokens: Math.floor(accepted), source: 'learned', at: now, probedAt: now };
  }

  private scaled(ms: number): number {
    return ms * this.patience;
  }
}

/** What a report says that the job has, and what of its wishes was granted before. */
function grantedOf({ holds, wants }: TokenReport, before: QueuedJob | undefined): QueuedJob['granted'] {
  const granted: QueuedJob['granted'] = {};
  for (const [key, tokens, accepted] of holds)
    granted[key] = { tokens, accepted: accepted === 1 || before?.granted[key]?.accepted === true };
  for (const [key] of wants) {
    const known = before?.granted[key];
    if (known !== undefined) granted[key] = known;
  }
  return granted;
}

/** The limit after a refusal while so many tokens were accepted. A message that names the limit is right, also about a larger one of a user. */
function learned(
  limit: TokenLimit | null,
  stated: number | null,
  accepted: number,
  now: number,
): TokenLimit | null {
  const times = { at: now, probedAt: now };
  if (limit?.source === 'given' && (stated === null || stated >= limit.tokens)) return limit;
  if (stated !== null)
    return stated === limit?.tokens
      ? { ...limit, probedAt: now }
      : { tokens: stated, source: 'stated', ...times };
  if (limit?.source === 'stated') return { ...limit, probedAt: now };
  const tokens = Math.floor(accepted);
  if (tokens > 0) return { tokens, source: 'learned', ...times };
  return limit === null ? null : { ...limit, probedAt: now };
}

function sumOf(shards: readonly GrantedShard[]): number {
  return shards.reduce((sum, { tokens }) => sum + tokens, 0);
}
