import type { Command } from 'commander';
import { once } from 'node:events';
import { BatchClient, type JobHandle } from '../../client/index.ts';
import { badFlag } from '../../core/bad-option.ts';
import { exitCodeOfEnd, isEndState } from '../../core/progress.ts';
import { count } from '../../core/number-format.ts';
import { progressLine } from '../progress-text.ts';
import { describeFailures, describeReport } from '../render.ts';
import { addOutputOptions, outputsOf, type OutputFlags } from '../job-options.ts';
import { renderTable } from '../render-table.ts';
import { saveAll } from '../save-all.ts';
import { toJson } from '../to-json.ts';
import { ProblemReporter } from '../job-problem.ts';

interface ResultsFlags extends OutputFlags {
  failed?: boolean;
  json?: boolean;
}

export function addResults(program: Command): void {
  addOutputOptions(program.command('results'))
    .description(
      'wait for the end of a job and write its results to a file or a folder; without --out, show the first rows in a terminal, or print all as JSON lines elsewhere',
    )
    .argument('<job>', 'id of the job')
    .option(
      '--out <path>',
      'a .parquet, .csv or .jsonl file for a table of the results, a .npy file for vectors, or a folder for results.jsonl, report.json and report.html',
    )
    .option(
      '--failed',
      'the input of lines without an answer instead, as input for another job; with --out, as a .jsonl, .csv or .parquet file',
    )
    .option('--json', 'print all rows as JSON lines; with --out, the report as JSON')
    .action(async (jobId: string, flags: ResultsFlags) => {
      const outputs = checkedOutputs(flags);
      await using client = await BatchClient.connect();
      const job = client.job(jobId);
      if (!(await job.isFinished())) void reportWait(job);
      if (outputs.length === 0) {
        if (flags.failed === true) await printFailed(job);
        else await printResults(job, flags);
        return;
      }
      const [first] = outputs;
      const saved = flags.failed === true ? await job.saveFailed(first!.path) : await saveAll(job, flags);
      const report = await job.named(saved);
      process.stdout.write(
        flags.json === true ? `${toJson(report)}\n` : `${describeReport(report, outputs)}\n`,
      );
      process.exitCode = exitCodeOfEnd(report);
    });
}

/** Rows of a table in a terminal. */
const ROWS_SHOWN = 20;

function checkedOutputs(flags: ResultsFlags): ReturnType<typeof outputsOf> {
  const given = (['npy', 'keep'] as const).find((option) => flags[option] !== undefined);
  const isUnused = flags.failed === true || (given === 'keep' && flags.out === undefined);
  if (given !== undefined && isUnused) {
    const problem = flags.failed === true ? 'does not go with --failed' : 'needs --out';
    throw badFlag(given, problem);
  }
  return outputsOf(flags);
}

/** In a terminal the first rows as a table, elsewhere all as JSON lines. */
async function printResults(job: JobHandle, { json }: ResultsFlags): Promise<void> {
  const preview = process.stdout.isTTY && json !== true ? await job.preview(ROWS_SHOWN) : null;
  if (preview === null) for await (const { text } of job.rowTexts()) await print(text);
  const report = await job.named(await job.report());
  if (preview !== null) {
    await print(renderTable(preview, process.stdout.columns));
    const more = report.lines - preview.rows.length;
    if (more > 0)
      await print(
        `… and ${count(more)} more: --out results.parquet (or .csv, .jsonl) writes all, --json prints all.`,
      );
  }
  const failures = describeFailures(report);
  if (failures !== '') process.stderr.write(`${failures}\n`);
  process.exitCode = exitCodeOfEnd(report);
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
  const requests = job.failedInput();
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
