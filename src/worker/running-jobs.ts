import type { Client } from '@temporalio/client';
import pLimit from 'p-limit';
import { parseListed, PROGRESS_MEMO, toListed, type ListedProgress } from '../core/job-listing.ts';
import type { JobProgress } from '../core/progress.ts';
import { BATCH_JOB, progressQuery } from '../workflows/messages.ts';
import { pauseReasons, type PauseReason, type RunningJobs } from './job-metrics.ts';

/**
 * At most so many jobs are queried per reading: those without a memo (of an earlier version, or just started) and the
 * paused ones, since the memo has no reason. Queries take time of a worker, so further jobs are counted as `unknown`.
 */
const QUERIES_A_READING = 50;

/** A server that does not respond within this time counts as unavailable. */
const LIST_MS = 10_000;

/** Concurrent queries. */
const AT_A_TIME = 10;

/** Without a worker a query gets no response; a reading waits no longer than this. */
const QUERY_MS = 2_000;

/** A running job, as far as it could be read. */
interface RunningJob {
  listed: ListedProgress | null;
  reason: PauseReason;
}

/**
 * Reads all running jobs from the server and adds them up. It changes nothing, and every worker gets the same result.
 * @throws when the server is unavailable
 */
export async function readRunningJobs(client: Client, queryMs: number = QUERY_MS): Promise<RunningJobs> {
  const now = Date.now();
  const jobs: RunningJob[] = [];
  const queries: Promise<void>[] = [];
  const atATime = pLimit(AT_A_TIME);
  const query = `WorkflowType = '${BATCH_JOB}' AND ExecutionStatus = 'Running'`;
  await client.withDeadline(now + LIST_MS, async () => {
    for await (const { workflowId, memo } of client.workflow.list({ query })) {
      const listed = parseListed(memo?.[PROGRESS_MEMO]);
      const job: RunningJob = { listed, reason: 'unknown' };
      jobs.push(job);
      if ((listed === null || listed.state === 'paused') && queries.length < QUERIES_A_READING)
        queries.push(atATime(() => queryJob(client, workflowId, job, queryMs)));
    }
  });
  await Promise.all(queries);
  return { ...sum(jobs, now), readAt: now / 1_000 };
}

function sum(jobs: readonly RunningJob[], now: number): Omit<RunningJobs, 'readAt'> {
  const byState: Record<string, number> = {};
  const batchesByStatus: Record<string, number> = {};
  const pausedBy = Object.fromEntries(pauseReasons.map((reason) => [reason, 0])) as Record<
    PauseReason,
    number
  >;
  let oldest = now;
  for (const { listed, reason } of jobs) {
    const state = listed?.state ?? 'unknown';
    byState[state] = (byState[state] ?? 0) + 1;
    if (state === 'paused') pausedBy[reason] += 1;
    for (const [status, count] of Object.entries(listed?.batches ?? {}))
      batchesByStatus[status] = (batchesByStatus[status] ?? 0) + count;
    oldest = Math.min(oldest, timeOf(listed?.oldestSentAt ?? null) ?? now);
  }
  return { byState, pausedBy, batchesByStatus, oldestBatchSeconds: (now - oldest) / 1_000 };
}

/** Queries a job for what is not in its memo. */
async function queryJob(client: Client, jobId: string, job: RunningJob, queryMs: number): Promise<void> {
  try {
    const handle = client.workflow.getHandle(jobId);
    const progress = await client.withDeadline(Date.now() + queryMs, () => handle.query(progressQuery));
    job.listed = toListed(progress, oldestSentAt(progress));
    job.reason = pauseReason(progress.reason);
  } catch {
    // It has ended meanwhile, or has no worker: it is counted as `unknown`.
  }
}

function oldestSentAt({ table }: JobProgress): string | null {
  const sent = table.map(({ sentAt }) => sentAt).filter((sentAt) => sentAt !== null);
  return sent.toSorted()[0] ?? null;
}

/** Maps the workflow's text on why it is paused to one of the label values. */
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
