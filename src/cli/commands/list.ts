import type { Command } from 'commander';
import { table, getBorderCharacters } from 'table';
import { BatchClient, type JobSummary } from '../../client/index.ts';

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
        const rows = jobs.map(({ jobId, status, startedAt, closedAt }) => [
          jobId,
          status.toLowerCase(),
          startedAt.toISOString(),
          closedAt?.toISOString() ?? '',
        ]);
        process.stdout.write(
          table([['job', 'status', 'started', 'ended'], ...rows], {
            border: getBorderCharacters('void'),
            drawHorizontalLine: () => false,
          }),
        );
      }
    });
}
