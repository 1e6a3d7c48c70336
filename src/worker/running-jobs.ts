import type { Client } from '@temporalio/client';
import pLimit from 'p-limit';
import { parseListed, PROGRESS_MEMO, toListed, type ListedProgress } from '../core/job-listing.ts';
import type { JobProgress } from '../core/progress.ts';
import { BATCH_JOB, progressQuery } from '../workflows/messages.ts';
import { pauseReasons, type PauseReason, type RunningJobs } from './job-metrics.ts';

/**
 * Jobs asked by query for one reading: those without a memo (of an earlier version, or just begun) and the paused ones,
 * whose reason no memo tells. A query costs a worker a moment, so that jobs beyond it are counted as `unknown`.
 */
const QUERIES_A_READING = 50;

/** A server that does not answer for so long is away. */
const LIST_MS = 10_000;

/** Queries at a time. */
const AT_A_TIME = 10;

/** A job whose workers are away answers no query; a reading does not wait for it longer than this. */
const QUERY_MS = 2_000;

/** A running job as far as it could be seen. */
interface SeenJob {
  shown: ListedProgress | null;
  reason: PauseReason;
}

/**
 * Adds up the jobs that run at the server. It reads only, and any worker sees the same.
 * @throws when the server cannot be asked
 */
export async function readRunningJobs(client: Client, queryMs: number = QUERY_MS): Promise<RunningJobs> {
  const now = Date.now();
  const jobs: SeenJob[] = [];
  const asking: Promise<void>[] = [];
  const atATime = pLimit(AT_A_TIME);
  const query = `WorkflowType = '${BATCH_JOB}' AND ExecutionStatus = 'Running'`;
  await client.withDeadline(now + LIST_MS, async () => {
    for await (const { workflowId, memo } of client.workflow.list({ query })) {
      const shown = parseListed(memo?.[PROGRESS_MEMO]);
      const job: SeenJob = { shown, reason: 'unknown' };
      jobs.push(job);
      if ((shown === null || shown.state === 'paused') && asking.length < QUERIES_A_READING)
        asking.push(atATime(() => ask(client, workflowId, job, queryMs)));
    }
  });
  await Promise.all(asking);
  return { ...sum(jobs, now), readAt: now / 1_000 };
}

function sum(jobs: readonly SeenJob[], now: number): Omit<RunningJobs, 'readAt'> {
  const byState: Record<string, number> = {};
  const batchesByStatus: Record<string, number> = {};
  const pausedBy = Object.fromEntries(pauseReasons.map((reason) => [reason, 0])) as Record<
    PauseReason,
    number
  >;
  let oldest = now;
  for (const { shown, reason } of jobs) {
    const state = shown?.state ?? 'unknown';
    byState[state] = (byState[state] ?? 0) + 1;
    if (state === 'paused') pausedBy[reason] += 1;
    for (const [status, count] of Object.entries(shown?.batches ?? {}))
      batchesByStatus[status] = (batchesByStatus[status] ?? 0) + count;
    oldest = Math.min(oldest, timeOf(shown?.oldestSentAt ?? null) ?? now);
  }
  return { byState, pausedBy, batchesByStatus, oldestBatchSeconds: (now - oldest) / 1_000 };
}

/** Asks a job for what its memo does not tell. */
async function ask(client: Client, jobId: string, job: SeenJob, queryMs: number): Promise<void> {
  try {
    const handle = client.workflow.getHandle(jobId);
    const progress = await client.withDeadline(Date.now() + queryMs, () => handle.query(progressQuery));
    job.shown = toListed(progress, oldestSentAt(progress));
    job.reason = pauseReason(progress.reason);
  } catch {
    // It has ended meanwhile, or its workers are away: what is not known is told as unknown.
  }
}

function oldestSentAt({ table }: JobProgress): string | null {
  const sent = table.map(({ sentAt }) => sentAt).filter((sentAt) => sentAt !== null);
  return sent.toSorted()[0] ?? null;
}

/** The workflow's words for why it stands still, as one of few. */
function pauseReason(reason: string | null): PauseReason {
  if (reason === null) return 'unknown';
  if (reason.startsWith('the API refused the account')) return 'account';
  if (reason.startsWith('the API does not know batch')) return 'batch_unknown';
  return reason.includes('OPENAI_BASE_URL') ? 'other_api' : 'asked';
}

function timeOf(text: string | null): number | null {
  const time = Date.parse(text ?? '');
  return Number.isNaN(time) ? null : time;
}
