import type { SettledShard } from '../core/progress.ts';
import type { RoundPlan } from '../core/shard-plan.ts';
import type { Cost } from '../core/token-cost.ts';
import type { AccountState } from './account-gate.ts';
import type { CarriedWatch } from './batch-watch.ts';
import type { ShardRecord } from './shard-run.ts';

/** Refused shards that are told one by one; they are carried from run to run. */
export const REFUSED_SHOWN = 5;

/** What one run of a job hands to the next: everything that is not in the store. Its size is that of the shards in flight. */
export interface JobSnapshot extends CarriedWatch {
  round: number;
  plan: RoundPlan | null;
  /** Index of the first shard of the round that was not begun. */
  next: number;
  active: ShardRecord[];
  /** Begun shards that a cancel came before; runs of version 0.1 do not hand it on. */
  unsent?: string[];
  /** True once this round's shards that will not be sent were looked for at the API. */
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
  /** The same amount, exact: sums are equal to the report's. Absent from runs of earlier versions. */
  cost?: Cost;
  /** The latest settled shards, the latest first. */
  settled?: SettledShard[];
  /** Models of the job's lines. */
  models?: readonly string[];
  created: number;
  lines: number;
  /** Why somebody paused the job. */
  paused: string | null;
  /** Which batch the API does not know. */
  lost?: string | null;
  /** Which step no retry helps, and why; `resume`, a cancel, or the next run lets it try again. */
  stuck?: string | null;
  /** True when the workers that built the shards serve queues for transfers. */
  transferQueues?: boolean;
  /** Shards that the API refused for good, each in a sentence; the first few, see `REFUSED_SHOWN`. */
  refused?: string[];
  /** How many there were. */
  refusedShards?: number;
  account?: AccountState;
  cancelled: boolean;
  /** True once somebody asked for lost answers to be bought again; see `JobSpec.rebuy`. */
  rebuy?: boolean;
  /** Which further pass over lines without an answer this is; see `store/job-pass.ts`. */
  pass?: number;
  /** True once the lines that had ended without their paid answer were packed for another round. */
  rebought?: boolean;
  /** How many shards may be in flight: `inFlight`, lower after refusals for want of allowance. */
  window: number;
  startedAt: string;
}

/** Where a job begins. */
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
