import type { Command } from 'commander';
import { once } from 'node:events';
import { BatchClient } from '../../client/index.ts';
import { describeReport } from '../render.ts';

export function addResults(program: Command): void {
  program
    .command('results')
    .description(
      'wait for the end of a job and write its results to a folder, or as JSON lines to standard output',
    )
    .argument('<job>', 'id of the job')
    .option('--out <dir>', 'folder for results.jsonl, report.json and report.html')
    .option('--json', 'with --out: print the report as JSON')
    .action(async (jobId: string, flags: { out?: string; json?: boolean }) => {
      await using client = await BatchClient.connect();
      const job = client.job(jobId);
      if (flags.out === undefined) {
        for await (const { text } of job.rowTexts()) {
          if (!process.stdout.write(`${text}\n`)) await once(process.stdout, 'drain');
        }
        return;
      }
      const report = await job.save(flags.out);
      process.stdout.write(
        flags.json === true ? `${JSON.stringify(report)}\n` : `${describeReport(report, flags.out)}\n`,
      );
    });
}
