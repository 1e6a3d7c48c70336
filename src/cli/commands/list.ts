import type { Command } from 'commander';
import { BatchClient, type JobFilter, type JobSummary } from '../../client/index.ts';
import { toVisibilityQuery } from '../../client/job-filter.ts';
import { toNumber } from '../job-options.ts';
import { listJobs } from '../render-list.ts';
import { toJson } from '../to-json.ts';

interface ListFlags {
  status?: string;
  state?: string;
  account?: string;
  model?: string;
  schedule?: string;
  batchId?: string;
  startedAfter?: string;
  startedBefore?: string;
  query?: string;
  limit?: number;
  json?: boolean;
}

export function addList(program: Command): void {
  program
    .command('list')
    .description('list the jobs at the Temporal server')
    .option('--status <status>', 'running, completed, failed, cancelled, terminated or timed_out')
    .option('--state <state>', 'building, running, paused, cancelling, assembling, done, cancelled or failed')
    .option('--account <name>', 'jobs of this account')
    .option('--model <name>', 'jobs with lines for this model')
    .option('--schedule <name>', 'jobs that this schedule started')
    .option('--batch-id <id>', 'the job that has this batch in flight')
    .option('--started-after <time>', 'jobs started at this time or later, e.g. 2026-11-24T08:00:00Z')
    .option('--started-before <time>', 'jobs started before this time')
    .option('--query <condition>', "a condition in Temporal's list filter syntax")
    .option('--limit <n>', 'at most this many jobs, the newest ones', toNumber)
    .option('--json', 'print JSON')
    .action(async ({ json, ...flags }: ListFlags) => {
      const filter = toFilter(flags);
      toVisibilityQuery(filter); // throws before a server is called, or started
      await using client = await BatchClient.connect();
      const jobs: JobSummary[] = [];
      for await (const job of client.list(filter)) jobs.push(job);
      // A pipe has no width: each row is one line.
      const columns = process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY;
      process.stdout.write(`${json === true ? toJson(jobs) : listJobs(jobs, columns)}\n`);
    });
}

/** Converts the flags to a filter; the case of statuses is ignored. */
function toFilter({ status, ...flags }: ListFlags): JobFilter {
  return { ...flags, ...(status === undefined ? {} : { status: status.toUpperCase() }) } as JobFilter;
}
