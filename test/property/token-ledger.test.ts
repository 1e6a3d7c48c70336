/** Random jobs at a queue, and an API that accepts batches up to a limit: nothing is lost, and the limit is not exceeded. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { priorities, type Priority } from '../../src/core/priority.ts';
import { newQueueState, type QueueState } from '../../src/token-queue/queue-state.ts';
import { TokenLedger } from '../../src/token-queue/token-ledger.ts';
import type { RefusedTokens, TokenReport } from '../../src/token-queue/token-report.ts';

interface Shard {
  readonly tokens: number;
  refusals: number;
  state: 'waiting' | 'granted' | 'accepted' | 'ended';
}

interface Job {
  readonly id: string;
  readonly priority: Priority;
  readonly shards: Shard[];
  refused: RefusedTokens[];
  turn: number;
  readonly sent: TokenReport[];
}

const keyOf = (job: Job, shard: Shard): string => `r1-${job.shards.indexOf(shard)}.1.${shard.refusals}`;

/** An account, its queue and its jobs; each step may be repeated or lost. */
class World {
  state: QueueState = newQueueState();
  now = 1_790_000_000_000;
  refusals = 0;
  most = 0;
  readonly jobs: Job[];
  private readonly limit: number;
  private readonly given: boolean;
  private readonly states: boolean;

  constructor(jobs: Job[], limit: number, given: boolean, states: boolean) {
    this.jobs = jobs;
    this.limit = limit;
    this.given = given;
    this.states = states;
  }

  /** The queue's state goes from run to run as JSON. */
  ledger(): TokenLedger {
    this.state = JSON.parse(JSON.stringify(this.state)) as QueueState;
    return new TokenLedger(this.state);
  }

  report(job: Job, copies: number): void {
    job.turn += 1;
    const of = (state: Shard['state']): Shard[] => job.shards.filter((shard) => shard.state === state);
    const report = {
      job: job.id,
      run: 'run',
      turn: job.turn,
      priority: job.priority,
      ...(this.given ? { limit: this.limit } : {}),
      wants: of('waiting')
        .slice(0, 3)
        .map((shard) => [keyOf(job, shard), shard.tokens] as const),
      more: Math.max(0, of('waiting').length - 3),
      holds: job.shards
        .filter(({ state }) => state === 'granted' || state === 'accepted')
        .map((shard) => [keyOf(job, shard), shard.tokens, shard.state === 'accepted' ? 1 : 0] as const),
      refused: job.refused,
      measured: [0, 0] as const,
    };
    job.sent.push(report);
    for (let copy = 0; copy < copies; copy += 1) this.deliver(report);
    if (copies > 0) job.refused = [];
  }

  /** A copy of an earlier report arrives. Nobody waits for its reply. */
  late(job: Job, index: number): void {
    const report = job.sent[index];
    if (report !== undefined) this.deliver(report, false);
  }

  private deliver(report: TokenReport, hasReply: boolean = true): void {
    const ledger = this.ledger();
    ledger.take(report, this.now);
    this.tell(ledger.grant(this.now));
    if (hasReply) this.tell(ledger.reply(report).granted.map((key) => ({ job: report.job, key })));
  }

  /** Grants after a wait. */
  wake(ms: number): void {
    this.now += ms;
    this.tell(this.ledger().grant(this.now));
  }

  private tell(grants: readonly { readonly job: string; readonly key: string }[]): void {
    for (const { job: id, key } of grants) {
      const job = this.jobs.find((each) => each.id === id)!;
      const shard = job.shards.find((each) => keyOf(job, each) === key);
      if (shard?.state === 'waiting') shard.state = 'granted';
    }
    const held = this.all().filter(({ state }) => state === 'granted' || state === 'accepted');
    this.most = Math.max(this.most, held.length < 2 ? 0 : held.reduce((sum, { tokens }) => sum + tokens, 0));
  }

  /** The API decides about every granted shard, in random order. */
  decide(): void {
    for (const job of this.jobs) {
      for (const shard of job.shards) {
        if (shard.state !== 'granted') continue;
        if (this.accepted() + shard.tokens <= this.limit) {
          shard.state = 'accepted';
          continue;
        }
        this.refusals += 1;
        job.refused.push([keyOf(job, shard), this.states ? this.limit : null]);
        shard.refusals += 1;
        shard.state = 'waiting';
      }
    }
  }

  /** The oldest accepted batch of a job ends. */
  end(job: Job): void {
    const shard = job.shards.find(({ state }) => state === 'accepted');
    if (shard !== undefined) shard.state = 'ended';
  }

  all(): Shard[] {
    return this.jobs.flatMap(({ shards }) => shards);
  }

  private accepted(): number {
    return this.all().reduce((sum, { state, tokens }) => sum + (state === 'accepted' ? tokens : 0), 0);
  }
}

const LIMIT = 1_000;

const worlds = fc
  .record({
    jobs: fc.array(
      fc.record({
        priority: fc.constantFrom(...priorities),
        sizes: fc.array(fc.oneof(fc.integer({ min: 1, max: LIMIT }), fc.integer({ min: 50, max: 200 })), {
          minLength: 1,
          maxLength: 12,
        }),
      }),
      { minLength: 1, maxLength: 6 },
    ),
    given: fc.boolean(),
    states: fc.boolean(),
  })
  .map(({ jobs, given, states }) => {
    const made = jobs.map(({ priority, sizes }, i) => ({
      id: `job-${i}`,
      priority,
      shards: sizes.map((tokens): Shard => ({ tokens, refusals: 0, state: 'waiting' })),
      refused: [],
      turn: 0,
      sent: [],
    }));
    return { world: new World(made, LIMIT, given, states), given, states };
  });

const steps = fc.array(
  fc.record({
    job: fc.nat(5),
    what: fc.constantFrom('report', 'decide', 'end', 'wake', 'late'),
    copies: fc.constantFrom(0, 1, 1, 1, 2),
  }),
  { maxLength: 120 },
);

/** A whole turn: everybody reports, the API decides, something ends. */
function turn(world: World): void {
  for (const job of world.jobs) world.report(job, 1);
  world.decide();
  for (const job of world.jobs) world.end(job);
  world.wake(30 * 60_000);
}

test('every shard is sent; a given limit is never exceeded, and costs no refusal', () => {
  fc.assert(
    fc.property(worlds, steps, ({ world, given }, list) => {
      for (const { job, what, copies } of list) {
        const of = world.jobs[job % world.jobs.length]!;
        if (what === 'report') world.report(of, copies);
        else if (what === 'decide') world.decide();
        else if (what === 'end') world.end(of);
        else if (what === 'late') world.late(of, copies);
        else world.wake(10_000);
      }
      for (let i = 0; i < 400 && world.all().some(({ state }) => state !== 'ended'); i += 1) turn(world);
      expect(world.all().map(({ state }) => state)).toEqual(world.all().map(() => 'ended'));
      for (const job of world.jobs) world.report(job, 1);
      expect(world.ledger().isIdle).toBe(true);
      expect(world.ledger().used).toBe(0);
      if (given) {
        expect(world.refusals).toBe(0);
        expect(world.most).toBeLessThanOrEqual(LIMIT);
      }
    }),
  );
});

test('a limit that is not known is found with at most five refusals if the API states it', () => {
  fc.assert(
    fc.property(
      worlds.filter(({ given, states }) => !given && states),
      ({ world }) => {
        for (let i = 0; i < 400 && world.all().some(({ state }) => state !== 'ended'); i += 1) turn(world);
        expect(world.all().every(({ state }) => state === 'ended')).toBe(true);
        expect(world.refusals).toBeLessThanOrEqual(5);
      },
    ),
  );
});
