import type { Command } from 'commander';
import { BatchClient } from '../../client/index.ts';
import type { StepBytes } from '../../client/pending-steps.ts';
import { exitCodeOfEnd } from '../../core/progress.ts';
import { openProgressView } from '../open-progress-view.ts';
import { describeReport } from '../render.ts';
import { toJson } from '../to-json.ts';
import { ProblemReporter } from '../job-problem.ts';

export function addWatch(program: Command): void {
  program
    .command('watch')
    .description('follow a job until it ends')
    .argument('<job>', 'id of the job')
    .option('--json', 'print every change as a line of JSON')
    .action(async (jobId: string, flags: { json?: boolean }) => {
      await using client = await BatchClient.connect();
      const job = client.job(jobId);
      await job.status(); // throws at once for an unknown job
      const view = await openProgressView();
      let step: StepBytes | null = null;
      let last = '';
      const { report: onStatus } = new ProblemReporter((text) => view.say(text));
      for await (const progress of job.watch({ onStep: (latest) => (step = latest), onStatus })) {
        if (flags.json !== true) view.show(progress, step);
        else if (toJson(progress) !== last) {
          last = toJson(progress);
          process.stdout.write(`${last}\n`);
        }
      }
      view.end('stay');
      const report = await job.report();
      const shown = await job.named(report);
      process.stdout.write(flags.json === true ? `${toJson(shown)}\n` : `${describeReport(shown)}\n`);
      process.exitCode = exitCodeOfEnd(report);
    });
}
