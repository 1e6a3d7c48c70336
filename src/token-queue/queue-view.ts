import type { Priority } from '../core/priority.ts';
import type { TokenLedger } from './token-ledger.ts';
import type { QueueName } from './token-report.ts';

/** What a queue shows of a job. */
export interface QueuedJobView {
  /** The id of the job. */
  readonly job: string;
  /** Its place among others. */
  readonly priority: Priority;
  /** Shards that have tokens: they have a batch in flight, or will have in a moment. */
  readonly granted: number;
  /** The tokens of these. */
  readonly tokens: number;
  /** Shards that wait for tokens. */
  readonly waiting: number;
  /** The tokens of the first 16 of these. */
  readonly waitingTokens: number;
}

/** What a queue shows of itself. Tokens are prompt tokens, by our estimates. */
export interface QueueView extends QueueName {
  /** The limit of enqueued tokens; null while it is not known. */
  readonly limit: number | null;
  /** `given` by a user, `stated` by the API in a refusal, or `learned` from what it accepted; null while it is not known. */
  readonly limitSource: 'given' | 'stated' | 'learned' | null;
  /** When, as an ISO time; null while it is not known. */
  readonly limitAt: string | null;
  /** Tokens of batches of the jobs below. */
  readonly ours: number;
  /** Tokens of other batches on the account, as of the last sweep. */
  readonly others: number;
  /** The number of these. */
  readonly otherBatches: number;
  /** Real tokens for each estimated one, in the batches that have ended. */
  readonly correction: number;
  /** Why nothing is granted although shards wait; null if nothing waits. */
  readonly waitsFor: string | null;
  /** Jobs that want or have tokens; those with the most waiting shards first. */
  readonly jobs: readonly QueuedJobView[];
}

/** What a queue shows of itself now. */
export function viewOf(name: QueueName, ledger: TokenLedger, now: number): QueueView {
  const { limit, others, jobs } = ledger.state;
  const otherTokens = Object.values(others.tokens);
  const otherSum = otherTokens.reduce((sum, tokens) => sum + tokens, 0);
  const views = Object.entries(jobs).map(([job, { priority, granted, waiting, more }]) => ({
    job,
    priority,
    granted: Object.keys(granted).length,
    tokens: Object.values(granted).reduce((sum, { tokens }) => sum + tokens, 0),
    waiting: waiting.length + more,
    waitingTokens: waiting.reduce((sum, { tokens }) => sum + tokens, 0),
  }));
  return {
    ...name,
    limit: limit?.tokens ?? null,
    limitSource: limit?.source ?? null,
    limitAt: limit === null ? null : new Date(limit.at).toISOString(),
    ours: Math.round(ledger.used - otherSum),
    others: otherSum,
    otherBatches: otherTokens.filter((tokens) => tokens > 0).length,
    correction: Math.round(ledger.correction * 1_000) / 1_000,
    waitsFor: ledger.isWanted ? waitsFor(ledger, now) : null,
    jobs: views.toSorted((a, b) => b.waiting - a.waiting),
  };
}

function waitsFor(ledger: TokenLedger, now: number): string {
  const { pausedUntil, limit } = ledger.state;
  if (now < pausedUntil)
    return `the API refused a batch that should fit: the next one is sent at ${new Date(pausedUntil).toISOString()}`;
  if (ledger.waitsForRate(now)) return 'the account may create no more batches in this hour';
  return limit === null
    ? 'the limit is not known: the API has to accept or refuse the last batches first'
    : 'batches have to end before more fits the limit';
}
