import type { Command } from 'commander';
import { BatchClient } from '../../client/index.ts';
import type { Priority } from '../../core/priority.ts';
import { toJson } from '../to-json.ts';

export function addPriority(program: Command): void {
  program
    .command('priority')
    .description("change a running job's place among the jobs that share the account's tokens")
    .argument('<job>', 'id of the job')
    .argument('<priority>', 'high, normal or low')
    .option('--json', 'print JSON')
    .action(async (jobId: string, priority: string, { json }: { json?: boolean }) => {
      await using client = await BatchClient.connect();
      await client.job(jobId).setPriority(priority as Priority);
      process.stdout.write(
        json === true
          ? `${toJson({ job_id: jobId, priority })}\n`
          : `job ${jobId} has priority ${priority}\n`,
      );
    });
}
