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
      'wait for the end of a job and write its results to a folder, or to standard output as JSON lines',
    )
    .argument('<job>', 'id of the job')
    .option('--out <dir>', 'folder for results.jsonl, report.json and report.html')
    .option('--failed', 'print the requests of lines without an answer instead, as input for another job')
    .option('--json', 'with --out: print the report as JSON')
    .action(async (jobId: string, flags: ResultsFlags) => {
      await using client = await BatchClient.connect();
      const job = client.job(jobId);
      if (!(await job.isFinished())) void reportWait(job);
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

/** Prints the progress of the job once, and its problems until it has ended. */
async function reportWait(job: JobHandle): Promise<void> {
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  const { report: onStatus } = new ProblemReporter(say);
  let isReported = false;
  try {
    for await (const progress of job.watch({ onStatus })) {
      if (!isReported && !isEndState(progress.state))
        say(`Waiting for the end of the job: ${progressLine(progress)}`);
      isReported = true;
    }
  } catch {
    // The call that waits for the results throws the same error.
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
      ? '1 line that is not a request; its row'
      : `${count(left)} lines that are not requests; their rows`;
  process.stderr.write(`Left out: ${lines} in the results ${left === 1 ? 'has' : 'have'} the reason.\n`);
}

async function print(text: string): Promise<void> {
  if (!process.stdout.write(`${text}\n`)) await once(process.stdout, 'drain');
}
