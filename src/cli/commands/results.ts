import type { Command } from 'commander';
import { once } from 'node:events';
import { BatchClient, type JobHandle } from '../../client/index.ts';
import { exitCodeOfEnd, isEndState } from '../../core/progress.ts';
import { count } from '../../core/number-format.ts';
import { progressLine } from '../progress-text.ts';
import { describeFailures, describeReport } from '../render.ts';
import { toJson } from '../to-json.ts';
import { ProblemReporter } from '../job-problem.ts';

interface ResultsFlags {
  out?: string;
  failed?: boolean;
  json?: boolean;
}

export function addResults(program: Command): void {
  program
    .command('results')
    .description(
      'wait for the end of a job and write its results to a folder, or as JSON lines to standard output',
    )
    .argument('<job>', 'id of the job')
    .option('--out <dir>', 'folder for results.jsonl, report.json and report.html')
    .option('--failed', 'print the requests of lines without an answer instead: an input for another job')
    .option('--json', 'with --out: print the report as JSON')
    .action(async (jobId: string, flags: ResultsFlags) => {
      await using client = await BatchClient.connect();
      const job = client.job(jobId);
      if (!(await job.isFinished())) void tellWait(job);
      if (flags.failed === true) {
        await printFailed(job);
        return;
      }
      if (flags.out === undefined) {
        for await (const { text } of job.rowTexts()) await print(text);
        const report = await job.named(await job.report());
        const failures = describeFailures(report);
        if (failures !== '') process.stderr.write(`${failures}\n`);
        process.exitCode = exitCodeOfEnd(report);
        return;
      }
      const report = await job.named(await job.save(flags.out));
      process.stdout.write(
        flags.json === true ? `${toJson(report)}\n` : `${describeReport(report, flags.out)}\n`,
      );
      process.exitCode = exitCodeOfEnd(report);
    });
}

/** Says what is waited for, and what keeps the job from ending, until it has ended. */
async function tellWait(job: JobHandle): Promise<void> {
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  const { see: onStatus } = new ProblemReporter(say);
  let isTold = false;
  try {
    for await (const progress of job.watch({ onStatus })) {
      if (!isTold && !isEndState(progress.state))
        say(`Waiting for the end of the job: ${progressLine(progress)}`);
      isTold = true;
    }
  } catch {
    // What ends the wait is told by whoever waits for the results.
  }
}

async function printFailed(job: JobHandle): Promise<void> {
  const requests = job.failedRequests();
  let result = await requests.next();
  for (; result.done !== true; result = await requests.next()) await print(result.value);
  const left = result.value;
  if (left === 0) return;
  const lines =
    left === 1
      ? '1 line that is no request; its row'
      : `${count(left)} lines that are no requests; their rows`;
  process.stderr.write(`Left out: ${lines} in the results ${left === 1 ? 'says' : 'say'} why.\n`);
}

async function print(text: string): Promise<void> {
  if (!process.stdout.write(`${text}\n`)) await once(process.stdout, 'drain');
}
