import { patched, workflowInfo } from '@temporalio/workflow';
import type { CostSum } from '../core/cost-sums.ts';
import type { JobSpec } from '../core/job-spec.ts';
import type { Priority } from '../core/priority.ts';
import type { RefusedTokens } from '../token-queue/token-report.ts';
import { JobState, type SettledShard } from '../core/progress.ts';
import type { RoundPlan } from '../core/shard-plan.ts';
import type { Cost } from '../core/token-cost.ts';
import type { ListMoment } from './list-entry.ts';
import type { ShardRecord } from './shard-record.ts';
import { maxHistoryEvents } from './tuning.ts';
import { Version } from './versions.ts';

/** How many refused shards get a notice each; they are carried from run to run. */
export const REFUSED_SHOWN = 5;

/** Whether the API accepts the account, carried from run to run. */
export interface AccountState {
  /** Why the API refuses the key or the account; null while it does not. */
  refused: string | null;
  /** Probes since a batch last ended well: decides the next wait. */
  probes: number;
}

/** What a run hands to the next about token queues. */
export interface TokenShareState {
  priority: Priority;
  /** The account of the first report; null before it. */
  account: string | null;
  /** Models whose queue knows of the job. */
  models: string[];
  /** Refused batches that a queue has not been told of, by model. */
  refused: Record<string, RefusedTokens[]>;
  /** Estimated and real prompt tokens of settled batches, by model. */
  measured: Record<string, readonly [estimated: number, real: number]>;
}

/** What a run's polls hand to the next run's. */
export interface CarriedWatch {
  /** When a batch was last sent or changed its status, in ms by the workflow's clock; without it polls are frequent again. */
  changedAt?: number;
  /** True once a worker has said that polls have a queue of their own. */
  pollQueue?: boolean;
}

/** What one run of a job hands to the next: everything that is not in the store. Its size is that of the shards in flight. */
export interface JobSnapshot extends CarriedWatch {
  round: number;
  plan: RoundPlan | null;
  /** Index of the first shard of the round that was not begun. */
  next: number;
  active: ShardRecord[];
  /** Begun shards that a cancel came before; runs of version 0.1 do not hand it on. */
  unsent?: string[];
  /** True once the API was searched for batches of this round's unsent shards. */
  lookedForBought?: boolean;
  done: number;
  answered: number;
  failed: number;
  /** Lines of this round that go again. */
  again: number;
  inputTokens: number;
  outputTokens: number;
  /** What the settled shards cost; null when it is not known, absent from runs of version 0.1. */
  costUsd?: number | null;
  costUsdWithoutBatch?: number | null;
  /** The same amount, exact, as in `Amount`: sums are equal to the report's. Absent from runs of earlier versions. */
  cost?: Cost;
  batchCost?: string;
  /** The same by model and round. */
  costs?: CostSum[];
  /** The latest settled shards, the latest first. */
  settled?: SettledShard[];
  /** Models of the job's lines. */
  models?: readonly string[];
  created: number;
  lines: number;
  /** Why a user paused the job. */
  paused: string | null;
  /** Which batch the API does not know. */
  lost?: string | null;
  /** Which step no retry helps, and why; `resume`, a cancel, or the next run lets it try again. */
  stuck?: string | null;
  /** True when the workers that built the shards serve queues for transfers. */
  transferQueues?: boolean;
  /** Shards that the API refused for good, a sentence each; the first few, see `REFUSED_SHOWN`. */
  refused?: string[];
  /** How many there were. */
  refusedShards?: number;
  account?: AccountState;
  /** What the job has to tell the queues of its models; see `workflows/token-share.ts`. */
  tokenShare?: TokenShareState;
  cancelled: boolean;
  /** True once lost answers are to be bought again; see `JobSpec.rebuy`. */
  rebuy?: boolean;
  /** Which further pass over lines without an answer this is; see `store/job-pass.ts`. */
  pass?: number;
  /** True once the lines that had ended without their paid answer were packed for another round. */
  rebought?: boolean;
  /** How many shards may be in flight: `inFlight`, lower after refusals for want of allowance. */
  window: number;
  startedAt: string;
}

/** The state of a new job. */
export function newSnapshot(startedAt: Date): JobSnapshot {
  return {
    round: 1,
    plan: null,
    next: 0,
    active: [],
    done: 0,
    answered: 0,
    failed: 0,
    again: 0,
    inputTokens: 0,
    outputTokens: 0,
    costUsd: 0,
    costUsdWithoutBatch: 0,
    created: 0,
    lines: 0,
    paused: null,
    cancelled: false,
    window: 0,
    startedAt: startedAt.toISOString(),
  };
}

/**
 * A run of a job: what it carries to the next run (`state`), and what ends with it. Everything else in this folder that decides
 * or shows something reads it here.
 */
export class JobRun {
  readonly spec: JobSpec;
  readonly state: JobSnapshot;
  readonly account: AccountState;
  /** True for a job that shares the account's tokens; false in a run that a worker of an earlier version has begun. */
  readonly sharesTokens: boolean;
  phase: JobState;
  /** True once no new step may begin, since the run is about to continue as new. */
  isContinuing = false;
  /** Called after each change that progress shows. */
  onChange: (moment?: ListMoment) => void = () => undefined;

  constructor(spec: JobSpec, state: JobSnapshot) {
    this.spec = spec;
    this.state = state;
    this.sharesTokens = spec.tokenQueue !== undefined && patched(Version.TokenQueue);
    this.account = state.account ??= { refused: null, probes: 0 };
    this.phase = state.plan === null ? JobState.Building : JobState.Running;
    if (state.window === 0) state.window = spec.inFlight;
    state.stuck = null; // each run tries once more
  }

  /** True while a step fails in a way that no retry helps. */
  isStuck(): boolean {
    return (this.state.stuck ?? null) !== null;
  }

  /** True while nothing new is to be sent, for another reason than the account. */
  isHeld(): boolean {
    const { paused, lost } = this.state;
    return paused !== null || (lost ?? null) !== null || this.isStuck();
  }

  /** True while nothing new is to be sent, for any reason but a cancel. */
  isPaused(): boolean {
    return this.isHeld() || this.account.refused !== null;
  }

  /** True once nothing more is to be sent in this run. */
  isStopping(): boolean {
    return this.isContinuing || this.state.cancelled;
  }

  /** True when lines whose paid answer the API lost are to be bought again. */
  buysAgain(): boolean {
    return this.spec.rebuy || this.state.rebuy === true;
  }

  /** True when the history is so long that the run must continue as new. */
  mustContinueAsNew(): boolean {
    const { continueAsNewSuggested, historyLength } = workflowInfo();
    return continueAsNewSuggested || historyLength >= maxHistoryEvents();
  }

  /** Begins the next round. */
  beginRound(plan: RoundPlan): void {
    const round = this.state.round + 1;
    Object.assign(this.state, {
      round,
      plan,
      next: 0,
      unsent: [],
      lookedForBought: false,
      done: 0,
      again: 0,
    });
  }
}
