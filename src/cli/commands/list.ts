import type { Command } from 'commander';
import { table, getBorderCharacters } from 'table';
import { BatchClient, type JobSummary } from '../../client/index.ts';
import { usd } from '../../core/job-description.ts';
import { count } from '../render.ts';

export function addList(program: Command): void {
  program
    .command('list')
    .description('the jobs that the Temporal server knows')
    .option('--json', 'print JSON')
    .action(async (flags: { json?: boolean }) => {
      await using client = await BatchClient.connect();
      const jobs: JobSummary[] = [];
      for await (const job of client.list()) jobs.push(job);
      if (flags.json === true) {
        process.stdout.write(`${JSON.stringify(jobs)}\n`);
      } else if (jobs.length === 0) {
        process.stdout.write('No jobs.\n');
      } else {
        const rows = jobs.map((job) => cellsOf(job));
        process.stdout.write(
          table([[...columns], ...rows], {
            border: getBorderCharacters('void'),
            drawHorizontalLine: () => false,
          }),
        );
      }
    });
}

const columns = [
  'job',
  'state',
  'answered',
  'failed',
  'lines',
  'cost',
  'schedule',
  'started',
  'ended',
] as const;

/** One job as a row; what it has not said stays empty. */
function cellsOf({ jobId, status, progress, schedule, startedAt, closedAt }: JobSummary): string[] {
  const cost = progress?.costUsd ?? null;
  return [
    jobId,
    // What a job last said of itself holds while it runs; how it ended is the server's to say.
    status === 'RUNNING' ? (progress?.state ?? 'running') : status.toLowerCase(),
    progress === null ? '' : count(progress.answered),
    progress === null ? '' : count(progress.failed),
    progress === null ? '' : count(progress.lines),
    cost === null ? '' : usd(cost),
    schedule ?? '',
    startedAt.toISOString(),
    closedAt?.toISOString() ?? '',
  ];
}
