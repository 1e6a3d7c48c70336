import type { Command } from 'commander';
import { BatchClient } from '../../client/index.ts';
import { describeReport, count } from '../render.ts';

export function addStatus(program: Command): void {
  program
    .command('status')
    .description('where a job stands')
    .argument('<job>', 'id of the job')
    .option('--json', 'print JSON')
    .action(async (jobId: string, flags: { json?: boolean }) => {
      await using client = await BatchClient.connect();
      const status = await client.job(jobId).status();
      if (flags.json === true) {
        process.stdout.write(`${JSON.stringify(status)}\n`);
        return;
      }
      const { progress, failure, report } = status;
      const rows = [`job         ${jobId}`, `status      ${status.status.toLowerCase()}`];
      if (report !== null) rows.push(describeReport(report, null));
      else if (failure !== null) rows.push(`reason      ${failure}`);
      else if (progress === null && status.status === 'RUNNING')
        rows.push(
          'No worker answers: start one with `durable-batch worker`, or run the job with `durable-batch run`.',
        );
      else if (progress !== null) {
        rows.push(
          `state       ${progress.state}${progress.reason === null ? '' : `: ${progress.reason}`}`,
          `lines       ${count(progress.lines)}: ${count(progress.answered)} answered, ${count(progress.failed)} failed, ${count(progress.running)} more run`,
          `round       ${progress.round}`,
          `shards      ${progress.shards.done} done, ${progress.shards.inFlight} in flight, ${progress.shards.waiting} waiting`,
          `tokens      ${count(progress.inputTokens)} in, ${count(progress.outputTokens)} out`,
          // A worker of version 0.1 sends no notices.
          ...(progress.notices ?? []).map((notice) => `note        ${notice}`),
        );
      }
      for (const { activity, attempt, reason } of status.retries)
        rows.push(`retrying    ${activity}, attempt ${attempt}: ${reason}`);
      process.stdout.write(`${rows.join('\n')}\n`);
    });
}
