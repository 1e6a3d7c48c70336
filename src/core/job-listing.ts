import { endStateOf, JobState, type JobProgress } from './progress.ts';

/** Memo of a job: its identity, which distinguishes two jobs of the same id; the store has it too. */
export const IDENTITY_MEMO = 'durable_batch_identity';

/** Memo of a job: a `ListedProgress`. */
export const PROGRESS_MEMO = 'durable_batch_progress';

/** A job's progress in the server's list, available without a worker: updated at a change of state, the end of a round, and every ten minutes. */
export interface ListedProgress {
  /** What the job is doing. */
  readonly state: JobState;
  /** Lines of the input that are not blank; 0 until it has been read. */
  readonly lines: number;
  /** Lines with an answer. */
  readonly answered: number;
  /** Lines that ended without one. */
  readonly failed: number;
  /** Batches in flight by status. */
  readonly batches: Readonly<Record<string, number>>;
  /** When the oldest batch in flight was sent, ISO 8601. */
  readonly oldestSentAt: string | null;
  /** Tokens of the requests of settled shards. */
  readonly inputTokens: number;
  /** Tokens of their answers. */
  readonly outputTokens: number;
  /** At batch prices; null if a model's price is unknown. */
  readonly costUsd: number | null;
}

/** The listed progress of a job that has just been started. */
export const firstListing: ListedProgress = {
  state: JobState.Building,
  lines: 0,
  answered: 0,
  failed: 0,
  batches: {},
  oldestSentAt: null,
  inputTokens: 0,
  outputTokens: 0,
  costUsd: 0,
};

/** The part of a job's progress that is listed. */
export function toListed(progress: JobProgress, oldestSentAt: string | null): ListedProgress {
  const { state, lines, answered, failed, inputTokens, outputTokens, costUsd } = progress;
  // Sorted, so that two polls of the same batches give the same text.
  const batches = Object.fromEntries(byStatus(progress.batches));
  return { state, lines, answered, failed, batches, oldestSentAt, inputTokens, outputTokens, costUsd };
}

/** Batches by status, always in the same order. */
export function byStatus(batches: JobProgress['batches']): [status: string, count: number][] {
  return Object.entries(batches).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The state in a list: the job's own state, or the server's status if the workflow has failed, was terminated or timed out. */
export function shownState(serverStatus: string, own: JobState | null): string {
  const isOwn = serverStatus === 'RUNNING' || serverStatus === 'COMPLETED';
  return (isOwn ? own : null) ?? serverStatus.toLowerCase();
}

/** A memo's value as a `ListedProgress`; null for any other value, as jobs of version 0.1 have. */
export function parseListed(value: unknown): ListedProgress | null {
  if (typeof value !== 'object' || value === null) return null;
  const { state, lines, answered, failed } = value as Partial<ListedProgress>;
  const isListed = typeof state === 'string' && [lines, answered, failed].every(Number.isFinite);
  if (!isListed) return null;
  const listed = value as ListedProgress;
  if (state !== JobState.Done) return listed;
  // Earlier versions had one state for every end.
  const cancelled = listed.lines - listed.answered - listed.failed;
  return { ...listed, state: endStateOf({ ...listed, cancelled }) };
}
